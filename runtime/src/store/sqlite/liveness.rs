//! Which workers are alive: a lock that the operating system lets go of when their process dies, and a heartbeat.
//!
//! Only when to take back is decided here. That a worker which was taken back from can't write is the fence's business
//! (`claims.rs`), so a wrong guess costs time and never a record.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::clock::{Boot, Clock};
use crate::store::WorkerId;

/// A lock file that isn't registered may be about to be: it is left alone for so long.
const GRACE: Duration = Duration::from_secs(60);

/// What was found of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Its lock is held, and its heart beats.
    Alive,
    /// Its lock is held, and its last heartbeat is older than the limit.
    Hung(Boot),
    /// Its lock is free, or its file is gone.
    Dead,
}

/// The workers of this handle, and how to look at others.
pub(super) struct Liveness {
    /// Where the lock files are; a store in memory has none.
    directory: Option<PathBuf>,
    hang: Duration,
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<Arc<str>, Held>>,
    frozen: AtomicBool,
}

/// A worker of this handle.
struct Held {
    /// Locked; `None` for a store in memory.
    file: Option<File>,
    beat: Boot,
}

impl Liveness {
    pub(super) fn new(directory: Option<PathBuf>, hang: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { directory, hang, clock, held: Mutex::default(), frozen: AtomicBool::new(false) }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Arc<str>, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time between two heartbeats.
    pub(super) fn interval(&self) -> Duration {
        (self.hang / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// A new worker: its name, its lock held, its heart beating.
    pub(super) fn enlist(&self) -> io::Result<WorkerId> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name: Arc<str> = crate::digest::hex(&random).into();
        let beat = self.clock.boot();
        let file = match &self.directory {
            None => None,
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                let mut file =
                    OpenOptions::new().read(true).write(true).create_new(true).open(directory.join(&*name))?;
                file.lock()?;
                write_beat(&mut file, &beat)?;
                Some(file)
            }
        };
        self.held().insert(name.clone(), Held { file, beat });
        Ok(WorkerId(name))
    }

    /// Lets go of a worker of this handle; its file goes, too.
    pub(super) fn dismiss(&self, worker: &WorkerId) {
        self.held().remove(&worker.0);
        self.remove_file(&worker.0);
    }

    /// Removes what is left of a worker that was taken off the list.
    pub(super) fn remove_file(&self, name: &str) {
        if let Some(directory) = &self.directory {
            // Gone already, or left for the next sweep.
            let _ = std::fs::remove_file(directory.join(name));
        }
    }

    /// Lets go of all workers of this handle, as the end of the process does.
    pub(super) fn let_go(&self) {
        self.held().clear();
    }

    /// Writes a heartbeat for each worker of this handle.
    pub(super) fn beat(&self) {
        if self.frozen.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.boot();
        for (name, held) in self.held().iter_mut() {
            held.beat = now.clone();
            if let Some(file) = &mut held.file
                && let Err(error) = write_beat(file, &now)
            {
                tracing::warn!(worker = %name, %error, "the heartbeat can't be written");
            }
        }
    }

    /// Stops (or starts) the heartbeats, as a process does that hangs.
    #[cfg(test)]
    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Lets go of a worker's lock and nothing else, as the death of its process does.
    pub(super) fn drop_lock(&self, worker: &WorkerId) {
        self.held().remove(&worker.0);
    }

    /// Looks at a worker, of this handle or another.
    pub(super) fn look(&self, name: &str) -> io::Result<Found> {
        let Some(directory) = &self.directory else {
            let held = self.held();
            return Ok(held.get(name).map_or(Found::Dead, |held| self.judge(&held.beat)));
        };
        let mut file = match OpenOptions::new().read(true).write(true).open(directory.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Dead),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Found::Dead),
            // A heartbeat that can't be read says nothing, and the lock says that it lives.
            Err(TryLockError::WouldBlock) => {
                let beat = read_beat(&mut file).ok().flatten();
                Ok(beat.map_or(Found::Alive, |beat| self.judge(&beat)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn judge(&self, beat: &Boot) -> Found {
        let now = self.clock.boot();
        let age = Duration::from_millis(now.milliseconds.saturating_sub(beat.milliseconds));
        // Times of another boot, or of a system that doesn't tell, can't be compared.
        if beat.id == now.id && !now.id.is_empty() && age > self.hang {
            Found::Hung(beat.clone())
        } else {
            Found::Alive
        }
    }

    /// Removes lock files that nobody holds and no worker on the list has.
    pub(super) fn tidy(&self, listed: &HashSet<Arc<str>>) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let unlisted = name.to_str().is_some_and(|name| !listed.contains(name));
            if unlisted && is_old(&entry) && is_free(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

fn is_old(entry: &std::fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|age| age > GRACE))
}

fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Always of one length and at one place: written over the last one, it needs no space on a full disk.
fn write_beat(file: &mut File, beat: &Boot) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{} {:020}\n", beat.id, beat.milliseconds).as_bytes())
}

/// `None` for one that can't be read, half written, say.
fn read_beat(file: &mut File) -> io::Result<Option<Boot>> {
    let mut text = String::new();
    file.take(200).read_to_string(&mut text)?;
    let beat = text.strip_suffix('\n').and_then(|line| line.rsplit_once(' '));
    Ok(beat.and_then(|(id, milliseconds)| Some(Boot { id: id.into(), milliseconds: milliseconds.parse().ok()? })))
}
