//! An execution's document: what it says, and how it is told what to do.

use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::entries::value_of;
use super::failure::Failure;
use super::schema::{OPEN, PARKED, TOMBSTONE};
use super::{bytes, digest_of, unknown};
use crate::error::{Error, ErrorKind};
use crate::store::{Digest, End, Epoch, ExecutionId, Finished, Name, Stamp, Status, Summary, Watcher, WorkerId};

/// Function and version, as workers ask for them.
pub(super) fn code(function: &str, version: u32) -> String {
    format!("{function}@{version}")
}

/// The end of a number on disk.
fn end_of(number: i32) -> Result<End, Failure> {
    match number {
        1 => Ok(End::Succeeded),
        2 => Ok(End::Failed),
        3 => Ok(End::Cancelled),
        _ => Err(unknown("a status", number)),
    }
}

/// An execution's document, read.
pub(super) struct Execution(pub(super) Document);

impl Execution {
    pub(super) fn id(&self) -> Result<ExecutionId, Failure> {
        Ok(self.text("_id")?.into())
    }

    fn text(&self, field: &str) -> Result<&str, Failure> {
        self.0.get_str(field).map_err(|_| Failure::Damaged(format!("an execution has no `{field}`")))
    }

    fn number(&self, field: &str) -> Result<i64, Failure> {
        self.0.get_i64(field).map_err(|_| Failure::Damaged(format!("an execution has no `{field}`")))
    }

    fn stamp(&self, field: &str) -> Option<Stamp> {
        self.0.get_i64(field).ok().map(Stamp)
    }

    pub(super) fn status(&self) -> i32 {
        self.0.get_i32("status").unwrap_or(i32::MIN)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.status(), OPEN | PARKED)
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.status() == TOMBSTONE
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.0.get_i64("epoch").unwrap_or_default() as u64)
    }

    pub(super) fn owner(&self) -> Option<&str> {
        self.0.get_str("owner").ok()
    }

    /// Which creation made it.
    pub(super) fn made(&self) -> &str {
        self.0.get_str("made").unwrap_or_default()
    }

    /// The last claim that its owner gave up by itself.
    pub(super) fn left(&self) -> i64 {
        self.0.get_i64("left").unwrap_or_default()
    }

    /// Crashes up to this epoch are forgotten.
    pub(super) fn calm(&self) -> i64 {
        self.0.get_i64("calm").unwrap_or_default()
    }

    pub(super) fn posts(&self) -> i64 {
        self.0.get_i64("posts").unwrap_or_default()
    }

    /// Watchers haven't been told of its end.
    pub(super) fn tells(&self) -> bool {
        self.0.get_bool("tell").unwrap_or_default()
    }

    pub(super) fn function(&self) -> Result<Name, Failure> {
        Ok(Name::Shared(self.text("function")?.into()))
    }

    pub(super) fn version(&self) -> Result<u32, Failure> {
        u32::try_from(self.number("version")?)
            .map_err(|_| Failure::Damaged("an execution's version is too large".into()))
    }

    pub(super) fn code(&self) -> Result<Arc<str>, Failure> {
        Ok(self.text("code")?.into())
    }

    pub(super) fn created(&self) -> Result<Stamp, Failure> {
        Ok(Stamp(self.number("created")?))
    }

    pub(super) fn ended(&self) -> Option<Stamp> {
        self.stamp("ended")
    }

    pub(super) fn parent(&self) -> Option<ExecutionId> {
        self.0.get_str("parent").ok().map(ExecutionId::from)
    }

    /// The build that parked it, where another may fare better.
    pub(super) fn until_build(&self) -> Option<u64> {
        self.0.get_i64("until_build").ok().map(|build| build as u64)
    }

    pub(super) fn started(&self) -> Option<Stamp> {
        self.stamp("started")
    }

    pub(super) fn deadline(&self) -> Option<Stamp> {
        self.stamp("deadline")
    }

    pub(super) fn due(&self) -> Option<Stamp> {
        self.stamp("due")
    }

    pub(super) fn seed(&self) -> Result<u64, Failure> {
        Ok(self.number("seed")? as u64)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, Failure> {
        digest_of(&bytes(&mut self.0, "digest").unwrap_or_default())
    }

    pub(super) fn arguments(&mut self) -> Vec<u8> {
        bytes(&mut self.0, "arguments").unwrap_or_default()
    }

    pub(super) fn reason(&mut self) -> Option<Vec<u8>> {
        bytes(&mut self.0, "reason")
    }

    /// How it ended, if it has.
    pub(super) fn finished(&mut self) -> Result<Option<Finished>, Failure> {
        if self.is_open() || self.is_tombstone() {
            return Ok(None);
        }
        let value = bytes(&mut self.0, "value").unwrap_or_default();
        let value = value_of(self.0.get_i32("outcome").unwrap_or_default(), value)?;
        Ok(Some(Finished { end: end_of(self.status())?, value }))
    }

    pub(super) fn watchers(&self) -> Vec<Watcher> {
        let Ok(watchers) = self.0.get_array("watchers") else { return Vec::new() };
        let watcher = |watcher: &Bson| {
            let watcher = watcher.as_document()?;
            let execution = watcher.get_str("execution").ok()?.into();
            Some(Watcher { execution, message: watcher.get_str("message").ok()?.into() })
        };
        watchers.iter().filter_map(watcher).collect()
    }

    /// What it is doing.
    pub(super) fn state(&self, now: Stamp) -> Result<Status, Failure> {
        Ok(match self.status() {
            OPEN if self.owner().is_some() => Status::Running,
            OPEN if self.due().is_some_and(|due| due <= now) => Status::Ready,
            OPEN => Status::Waiting,
            PARKED => Status::Parked,
            number => Status::Ended(end_of(number)?),
        })
    }

    /// The line of a list.
    pub(super) fn summary(&mut self, now: Stamp) -> Result<Summary, Failure> {
        let owner = self.owner().map(|owner| WorkerId(owner.into()));
        let wake = self.due();
        let status = self.state(now)?;
        // The reason outlives a wake-up to be cancelled; only a parked one is parked.
        let reason = if status == Status::Parked { self.reason() } else { None };
        Ok(Summary {
            id: self.id()?,
            function: self.text("function")?.into(),
            version: self.version()?,
            status,
            created: self.created()?,
            started: self.started(),
            ended: self.ended(),
            wake,
            deadline: self.deadline(),
            parent: self.parent(),
            owner,
            epoch: self.epoch(),
            reason,
        })
    }
}

/// A watcher in its execution's document.
pub(super) fn watcher(watcher: &Watcher) -> Document {
    doc! { "execution": &*watcher.execution.0, "message": &*watcher.message }
}

/// Makes an execution due that nobody owns: to be set by an aggregation stage.
pub(super) fn due_now(now: Stamp) -> Document {
    doc! { "due": { "$min": ["$due", now.0] }, "queue": "$code" }
}

/// The error about an id under which there is nothing, or only a tombstone.
pub(super) fn not_there(id: &ExecutionId, tombstone: bool) -> Error {
    let error = if tombstone {
        Error::of(ErrorKind::Expired, format!("execution {id} ended so long ago that its result is no longer kept"))
    } else {
        Error::of(ErrorKind::NotFound, format!("no execution has the id {id}"))
    };
    error.with_execution(id)
}

/// The error with which an execution was parked.
pub(super) fn parked(id: &ExecutionId, reason: Option<Vec<u8>>) -> Error {
    let reason = reason.and_then(|bytes| crate::encoding::decode::<Error>(&bytes).ok());
    let reason = reason.unwrap_or_else(|| Error::of(ErrorKind::Parked, format!("execution {id} is parked")));
    reason.with_execution(id)
}
