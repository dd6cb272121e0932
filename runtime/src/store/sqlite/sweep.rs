//! Looking for workers that are dead or hang, and taking back what they owned.

use std::sync::Arc;
use std::time::Duration;

use super::liveness::Found;
use super::{SqliteStore, reads};
use crate::error::Result;
use crate::store::{Swept, WorkerId};

/// A process that has died is found by its lock, so soon.
const AGAIN: Duration = Duration::from_millis(250);

impl SqliteStore {
    /// A sweep by this worker.
    pub(super) async fn sweep_for(&self, worker: WorkerId) -> Result<Swept> {
        let listed = self.read(|connection| Ok(reads::workers(connection)?)).await?;
        let names = reads::names(&listed);
        let standing = listed.iter().any(|listed| listed.standing && listed.name == worker.0);
        let others: Vec<_> = listed.into_iter().filter(|listed| listed.name != worker.0).collect();
        let lost = self.look_for_lost(others).await?;
        let mut reclaimed = 0;
        for name in lost {
            let mut taken = 0;
            loop {
                let id = WorkerId(name.clone());
                let (some, all) = self.ask("sweep", move |desk| desk.retire(&id)).await?;
                taken += some;
                if all {
                    break;
                }
            }
            // One that owned nothing may just have left.
            if taken > 0 {
                tracing::warn!(worker = %name, executions = taken, "a worker was dead or hung: what it owned is taken back");
            }
            reclaimed += taken;
            self.blocking(move |liveness| liveness.remove_file(&name)).await?;
        }
        self.blocking(move |liveness| liveness.tidy(&names)).await?.map_err(|error| self.io(&error))?;
        Ok(Swept { reclaimed, standing, again: AGAIN })
    }

    /// Those that are dead, or hang. A heartbeat that is old is looked at twice, two beats apart: after a machine slept,
    /// all of them are old, and beat again at once.
    async fn look_for_lost(&self, others: Vec<reads::Listed>) -> Result<Vec<Arc<str>>> {
        let look = |names: Vec<Arc<str>>| {
            self.blocking(move |liveness| {
                let look = |name: Arc<str>| match liveness.look(&name) {
                    Ok(found) => (name, found),
                    // It may well live. `report` says the same, for people.
                    Err(error) => {
                        tracing::warn!(worker = %name, %error, "a worker can't be looked at");
                        (name, Found::Alive)
                    }
                };
                names.into_iter().map(look).collect::<Vec<_>>()
            })
        };
        let (retired, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| other.retired);
        let mut lost: Vec<_> = retired.into_iter().map(|worker| worker.name).collect();
        let found = look(others.into_iter().map(|worker| worker.name).collect()).await?;
        let mut suspects = Vec::new();
        for (name, found) in found {
            match found {
                Found::Alive => (),
                Found::Dead => lost.push(name),
                Found::Hung(beat) => suspects.push((name, beat)),
            }
        }
        if suspects.is_empty() {
            return Ok(lost);
        }
        tokio::time::sleep(self.liveness.interval() * 2).await;
        let again = look(suspects.iter().map(|(name, _)| name.clone()).collect()).await?;
        for ((name, found), (_, before)) in again.into_iter().zip(suspects) {
            if found == Found::Dead || found == Found::Hung(before) {
                lost.push(name);
            }
        }
        Ok(lost)
    }
}
