//! Readers: two threads, each with a connection of its own that can't write.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::failure::Failure;
use super::{Shared, open, threads};

/// How many reads run side by side.
const THREADS: usize = 2;

/// Something to read, and where the answer goes.
pub(super) type Job = Box<dyn FnOnce(Result<&Connection, Failure>) + Send>;

/// The pool. What it was given before it was closed is still run.
#[derive(Default)]
pub(super) struct Readers {
    jobs: Mutex<Jobs>,
    work: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

impl Readers {
    pub(super) fn start(store: &Path, shared: &Arc<Shared>) -> Result<Arc<Self>, Failure> {
        let readers = Arc::new(Self::default());
        for number in 1..=THREADS {
            let connection = open::reader(store)?;
            let readers = readers.clone();
            threads::start(shared, &format!("outlast-reader-{number}"), move || readers.run(&connection))?;
        }
        Ok(readers)
    }

    /// `false` if the pool is closed; the job is dropped.
    pub(super) fn submit(&self, job: Job) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if !jobs.closed {
            jobs.waiting.push_back(job);
            self.work.notify_one();
        }
        !jobs.closed
    }

    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.work.notify_all();
    }

    fn run(&self, connection: &Connection) {
        while let Some(job) = self.next() {
            // One snapshot for all statements of a job.
            match connection.execute_batch("BEGIN") {
                Ok(()) => job(Ok(connection)),
                Err(error) => job(Err(error.into())),
            }
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.closed {
                return None;
            }
            jobs = self.work.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
