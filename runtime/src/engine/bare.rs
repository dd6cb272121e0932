//! Pieces of the engine by themselves, for micro-benchmarks (feature `micro`).

use std::sync::Arc;

use super::Engine;
use super::driver;
use super::execution::Execution;
use super::lane::Event;
use super::state::State;
use crate::error::Result;
use crate::function::spec::Function;
use crate::store::{Claimed, Digest, Epoch, ExecutionId, Kind, Row, Slot, Stamp};

/// The places of an execution that nothing drives.
pub(crate) struct Places(State);

impl Default for Places {
    fn default() -> Self {
        Self(State::new(
            &mut claimed("bare".into(), Vec::new(), Vec::new(), 0, Stamp(0)),
            #[cfg(test)]
            super::tests::probe::Probe::none(),
        ))
    }
}

impl Places {
    pub(crate) fn claim(&mut self, digest: Digest) -> usize {
        self.0.claim(Kind::Step, "charge".into(), digest, Vec::new())
    }
}

/// A record, to be replayed on the thread at hand.
pub(crate) struct Replayed {
    engine: Arc<Engine>,
    function: &'static Function,
    id: ExecutionId,
    arguments: Vec<u8>,
    seed: u64,
    started: Stamp,
    record: Vec<Row>,
}

impl Replayed {
    pub(crate) async fn of(engine: &Arc<Engine>, id: &str) -> Result<Self> {
        let id = ExecutionId::from(id);
        let missing = || super::not_found(&id);
        let details = engine.store.details(id.clone()).await?.ok_or_else(missing)?;
        let function = engine.registry.newest(&details.summary.function).ok_or_else(missing)?;
        Ok(Self {
            engine: engine.clone(),
            function,
            arguments: details.arguments,
            seed: 0,
            started: details.summary.started.unwrap_or_default(),
            record: details.record,
            id,
        })
    }

    pub(crate) fn replay(&self) -> usize {
        let Self { engine, function, id, arguments, seed, started, record } = self;
        let claimed = claimed(id.clone(), arguments.clone(), record.clone(), *seed, *started);
        let execution = Execution::new(engine.clone(), function, claimed, 0);
        driver::handle(&execution, Event::Start);
        execution.abandon();
        record.len()
    }
}

fn claimed(id: ExecutionId, arguments: Vec<u8>, record: Vec<Row>, seed: u64, started: Stamp) -> Claimed {
    Claimed {
        id,
        epoch: Epoch(2),
        slot: Slot::default(),
        function: "bare".into(),
        version: 1,
        arguments,
        seed,
        started,
        deadline: None,
        parked: None,
        crashes: 0,
        record,
        attempts: Vec::new(),
        inbox: Vec::new(),
    }
}
