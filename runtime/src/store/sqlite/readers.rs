//! Readers: threads with a connection of their own each that can't write. Two wait for work; one that a cursor keeps is
//! replaced by another.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::at_hand::AtHand;
use super::failure::Failure;
use super::open::Identity;
use super::{Shared, open, threads};

/// How many reads run side by side.
const THREADS: usize = 2;

/// As many cursors may be open: each keeps a thread.
const MOST: usize = 200;

/// Something to read, and where the answer goes.
pub(super) type Job = Box<dyn FnOnce(Result<&Connection, Failure>, &Arc<Readers>) -> After + Send>;

/// What becomes of a thread after its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It waits for the next one.
    Stay,
    /// Another one has taken its place: it ends.
    Go,
}

/// The pool. What it was given before it was closed is still run.
pub(super) struct Readers {
    /// For what needs no thread.
    pub(super) at_hand: AtHand,
    store: Identity,
    shared: Arc<Shared>,
    jobs: Mutex<Jobs>,
    work: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// All threads, and those that a cursor keeps.
    threads: usize,
    lent: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn start(store: &Path, shared: &Arc<Shared>) -> Result<Arc<Self>, Failure> {
        let (store, shared) = (Identity::of(store)?, shared.clone());
        let readers = Arc::new(Self {
            at_hand: AtHand::new(store.clone()),
            store,
            shared,
            jobs: Mutex::default(),
            work: Condvar::new(),
        });
        for _ in 0..THREADS {
            readers.add()?;
        }
        Ok(readers)
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>) -> Result<(), Failure> {
        let connection = open::another_reader(&self.store)?;
        let number = {
            let mut jobs = self.lock();
            jobs.threads += 1;
            jobs.threads
        };
        let readers = self.clone();
        let run = move || readers.run(&connection);
        threads::start(&self.shared, &format!("outlast-reader-{number}"), run).inspect_err(|_| self.lock().threads -= 1)
    }

    /// `false` if the pool is closed; the job is dropped.
    pub(super) fn submit(&self, job: Job) -> bool {
        let mut jobs = self.lock();
        if !jobs.closed {
            jobs.waiting.push_back(job);
            self.work.notify_one();
        }
        !jobs.closed
    }

    /// A cursor keeps the calling thread until its job ends, and then it goes: another one takes its place.
    pub(super) fn lend(self: &Arc<Self>) -> Result<(), Failure> {
        {
            let mut jobs = self.lock();
            if jobs.lent >= MOST {
                return Err(Failure::Other(format!("{MOST} cursors are open: read them to their end, or drop them")));
            }
            jobs.lent += 1;
        }
        self.add().inspect_err(|_| self.lock().lent -= 1)
    }

    /// Fails if another file stands in the place of the store's, or none.
    pub(super) fn check_place(&self) -> Result<(), Failure> {
        self.store.check()
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.at_hand.close();
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn run(self: &Arc<Self>, connection: &Connection) {
        while let Some(job) = self.next() {
            // One snapshot for all statements of a job.
            let after = match connection.execute_batch("BEGIN") {
                Ok(()) => job(Ok(connection), self),
                Err(error) => job(Err(error.into()), self),
            };
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
            if after == After::Go {
                let mut jobs = self.lock();
                jobs.threads -= 1;
                jobs.lent -= 1;
                return;
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.lock();
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
