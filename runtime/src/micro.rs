//! What micro-benchmarks may touch, one piece of the hot path at a time (feature `micro`). Nothing else may: it changes
//! without notice.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::Running;
use crate::digest::Digests;
use crate::encoding;
use crate::engine::{Engine, Places, Replayed};
use crate::error::{Error, Result};
use crate::store::{
    Claimed, Committed, Created, Digest, ExecutionId, Key, Kind, NewExecution, Outcome, Owner, Refused, RowKind,
    Submission, Value, Write,
};

/// Encodes a value as it is recorded.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encoding::encode(value).unwrap_or_default()
}

/// Decodes a recorded value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    encoding::decode(bytes).map_err(Error::new)
}

/// Proves that a value comes back as it went in.
pub fn check<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    encoding::check::<T>(bytes, true).is_ok()
}

/// A keyed digest.
pub fn digest(bytes: &[u8]) -> [u8; 16] {
    Digests::new([7; 16]).of("step", [b"charge", bytes]).0
}

/// A filter, read.
pub struct Filter(crate::data::filter::Filter);

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where it makes no sense.
    pub fn parse(filter: &bson::Document) -> Result<Self> {
        crate::data::filter::Filter::parse(filter).map(Self)
    }

    /// Whether a document matches.
    pub fn matches(&self, document: &bson::RawDocument) -> bool {
        self.0.matches(document)
    }
}

/// The places of an execution.
#[derive(Default)]
pub struct Claims(Places);

impl Claims {
    /// Takes the next place for an operation whose arguments have this number as their digest.
    pub fn claim(&mut self, number: u64) -> usize {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        self.0.claim(Digest(digest))
    }
}

/// A record that is replayed again and again.
pub struct Replay(Replayed);

impl Replay {
    /// The record of an execution that waits.
    pub async fn of(app: &Running, id: &str) -> Result<Self> {
        Replayed::of(&app.engine, id).await.map(Self)
    }

    /// Claims, makes the root, and offers every outcome: how many there are.
    pub fn replay(&self) -> usize {
        self.0.replay()
    }
}

/// An execution whose owner writes rows.
pub struct Record {
    engine: Arc<Engine>,
    claimed: Claimed,
    answers: Arc<Answers>,
    written: u32,
}

#[derive(Default)]
struct Answers {
    left: Mutex<usize>,
    none: Condvar,
}

impl Owner for Answers {
    fn committed(self: Arc<Self>, _: u64, _: Write, _: Result<Committed, Refused>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left -= 1;
        if *left == 0 {
            self.none.notify_one();
        }
    }
}

impl Record {
    /// Of a new execution of a function.
    pub async fn new(app: &Running, function: &str) -> Result<Self> {
        let engine = app.engine.clone();
        let function = engine.registry.newest(function).ok_or_else(|| Error::new("there is no such function"))?;
        let (id, seed) = crate::engine::id_and_seed();
        let new: NewExecution =
            engine.new_execution(ExecutionId(id), seed, function, encoding::none(), Digest([1; 16]), None);
        match engine.store.create(new).await? {
            Created::New(Some(claimed)) => Ok(Self { engine, claimed: *claimed, answers: Arc::default(), written: 0 }),
            _ => Err(Error::new("the execution wasn't claimed")),
        }
    }

    /// Writes rows together, and waits until all are durable.
    pub fn write(&mut self, rows: u32, arguments: &[u8], value: &[u8]) {
        *self.answers.left.lock().unwrap_or_else(PoisonError::into_inner) = rows as usize;
        for _ in 0..rows {
            let outcome = Outcome {
                kind: Kind::Step,
                key: Key { name: "charge".into(), digest: Digest([7; 16]), ordinal: self.written },
                name_ordinal: self.written,
                arguments: arguments.to_vec(),
                value: Value::Ok(value.to_vec()),
                attempts: 1,
                build: 1,
            };
            self.written += 1;
            let Claimed { id, epoch, slot, .. } = &self.claimed;
            let (execution, epoch, slot) = (id.clone(), *epoch, *slot);
            let write = Write::Row { row: RowKind::Outcome(outcome), from: None };
            let owner = self.answers.clone();
            self.engine.store.submit(Submission { execution, epoch, slot, write, owner, ticket: 0 });
        }
        let left = self.answers.left.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.answers.none.wait_while(left, |left| *left > 0).unwrap_or_else(PoisonError::into_inner));
    }
}
