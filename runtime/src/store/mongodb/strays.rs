//! Claims that nobody knows of. A request that hung somewhere until its sender had given it up, and was done all the same,
//! has claimed in the name of a worker that lives on: no death would ever bring that back.
//!
//! What a worker owns and doesn't hold, at two looks, is taken back from it like from the dead, fence first: so a claim
//! that only took its time loses what it was about to get, and nothing else.

use std::sync::{Mutex, PoisonError};

use bson::doc;

use super::failure::Failure;
use super::shared::Shared;
use super::sweep::Orphan;
use crate::hashing::FastMap;
use crate::store::{Epoch, ExecutionId, WorkerId};

/// What was owned and not held at the last look.
#[derive(Default)]
pub(super) struct Strays(Mutex<FastMap<ExecutionId, Epoch>>);

impl Strays {
    /// Those that were so at the look before, too.
    fn seen_twice(&self, now: FastMap<ExecutionId, Epoch>) -> Vec<Orphan> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, now);
        let twice = last.iter().filter(|(id, epoch)| before.get(*id) == Some(*epoch));
        twice.map(|(id, epoch)| Orphan { id: id.clone(), epoch: *epoch }).collect()
    }
}

impl Shared {
    /// Takes back what this worker owns and doesn't know of.
    pub(super) async fn take_back_strays(&self, worker: &WorkerId) -> Result<usize, Failure> {
        let mut unknown = FastMap::default();
        // Nearly always this is all there is to it, and the index alone answers it.
        let count = self.tables.executions.count_documents(doc! { "owner": &*worker.0 });
        if self.command(count).await? > self.claims.count(worker) {
            let owned = self.owned_by(&worker.0, None).await?.into_iter();
            let strange = owned.filter(|owned| self.claims.with(&owned.id, owned.epoch, |_| ()).is_none());
            unknown.extend(strange.map(|stray| (stray.id, stray.epoch)));
        }
        let strays = self.strays.seen_twice(unknown);
        if strays.is_empty() {
            return Ok(0);
        }
        self.fence(&strays).await?;
        let freed = self.set_free(&worker.0, &strays).await?;
        tracing::warn!(worker = %worker.0, executions = freed, "claims that this worker doesn't know of are taken back");
        Ok(freed)
    }
}
