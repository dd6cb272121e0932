//! What a record is made of: keys, kinds, values, outcomes, rows.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Name, Stamp};

/// A keyed digest of 128 bits (see `crate::digest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

/// The key of an operation: its name, the digest of its arguments, and its ordinal among the operations of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The name, such as `charge`; operations of outlast's own start with a dot, such as `.sleep`.
    pub(crate) name: Name,
    /// The digest of the arguments in canonical form.
    pub(crate) digest: Digest,
    /// How many operations of this name and digest were called before.
    pub(crate) ordinal: u32,
}

impl Hash for Key {
    /// The digest is of the name, too.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
        state.write_u32(self.ordinal);
    }
}

impl Hash for Digest {
    /// Keyed and random already: half of it tells apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let half = self.0.first_chunk().copied().unwrap_or_default();
        state.write_u64(u64::from_le_bytes(half));
    }
}

/// What an operation is. The numbers are the form on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Kind {
    /// A step, a function's or an inline one.
    Step = 1,
    /// A `#[transaction]`.
    Transaction = 2,
    /// A sleep that ended.
    Sleep = 3,
    /// A wait for a signal that timed out (one that came is no outcome of an operation).
    Signal = 4,
    /// The end of a child execution.
    Child = 5,
    /// The start of a child execution that isn't waited for.
    Start = 6,
    /// A single read of data.
    Read = 7,
    /// A single write of data: a transaction of its own.
    Write = 8,
    /// A method of a handle: status, signal, cancel.
    Handle = 9,
}

impl Kind {
    /// The kind of a number on disk.
    pub fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Step,
            2 => Self::Transaction,
            3 => Self::Sleep,
            4 => Self::Signal,
            5 => Self::Child,
            6 => Self::Start,
            7 => Self::Read,
            8 => Self::Write,
            9 => Self::Handle,
            _ => return None,
        })
    }

    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Transaction => "transaction",
            Self::Sleep => "sleep",
            Self::Signal => "signal",
            Self::Child => "child",
            Self::Start => "start",
            Self::Read => "read",
            Self::Write => "write",
            Self::Handle => "handle",
        }
    }
}

/// A recorded value: what an operation gave, in the record's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The `Ok` of a result.
    Ok(Vec<u8>),
    /// The `Err` of a result, as the user's own type.
    Err(Vec<u8>),
    /// What isn't the user's (attempts exhausted, timeout, interrupted …): an encoded [`Error`].
    Fault(Vec<u8>),
}

impl Default for Value {
    fn default() -> Self {
        Self::Ok(Vec::new())
    }
}

impl Value {
    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Ok(bytes) | Self::Err(bytes) | Self::Fault(bytes) => bytes,
        }
    }
}

/// The outcome of an operation, on its way into the record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// What the operation is.
    pub(crate) kind: Kind,
    /// Which operation it is.
    pub(crate) key: Key,
    /// Its ordinal among all operations of its kind and name, whatever their arguments (drift is matched by it).
    pub(crate) name_ordinal: u32,
    /// The arguments, for people (and for `undo`); already encrypted where they are secret.
    pub(crate) arguments: Vec<u8>,
    /// What it gave; already encrypted where it is secret.
    pub(crate) value: Value,
    /// How many attempts it took; 0 where the word has no meaning.
    pub(crate) attempts: u32,
    /// The build that writes the row.
    pub(crate) build: u64,
}

/// One row of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RowKind {
    /// An operation's outcome.
    Outcome(Outcome),
    /// A signal that arrived; no row says who took it.
    Arrival {
        /// The signal's name.
        name: Arc<str>,
        /// The encoded payload.
        payload: Vec<u8>,
    },
    /// The execution was asked to end; nothing can catch it.
    Cancel {
        /// Who or what asked, for people.
        reason: String,
    },
    /// The execution's time is up.
    Deadline,
}

impl Row {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kind {
            RowKind::Outcome(outcome) => outcome.arguments.len() + outcome.value.bytes().len(),
            RowKind::Arrival { payload, .. } => payload.len(),
            RowKind::Cancel { .. } | RowKind::Deadline => 0,
        }
    }
}

/// A row as it stands in the record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its place in the record, from 0, without a gap.
    pub(crate) seq: u64,
    /// When it was committed; never below the row before.
    pub(crate) stamp: Stamp,
    /// What it says.
    pub(crate) kind: RowKind,
}
