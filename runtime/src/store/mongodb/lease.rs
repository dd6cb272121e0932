//! This handle's workers live: one document each says until when, in the server's time, renewed on a thread that no code
//! of the application's runs on.
//!
//! A lease decides only when others try. That a worker which was taken back from can't write is the log's business.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Collection;
use tokio::sync::watch;

use super::executions::due_now;
use super::failure::{Failure, Fault};
use super::random;
use super::schema::{OPEN, PARKED, Tables};
use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Stamp, WorkerId};

/// How often the server's clock is looked at.
const MEASURED: Duration = Duration::from_secs(10);

/// The thread that renews.
pub(super) struct Leases {
    stop: watch::Sender<bool>,
}

impl Leases {
    /// Starts the thread.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let stop = watch::Sender::new(false);
        let (stopped, weak) = (stop.subscribe(), Arc::downgrade(shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            let run = move || runtime.block_on(renew_all(weak, stopped));
            std::thread::Builder::new().name("outlast-lease".into()).spawn(run)
        });
        started.map_err(|error| {
            Error::of(ErrorKind::Unavailable, format!("the thread that renews leases can't be started: {error}"))
        })?;
        Ok(Self { stop })
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// A lease that ends in so long, from now on by the server's clock.
fn until(lease: Duration) -> Document {
    // As a number: not all servers that speak MongoDB's protocol compare `$$NOW` with a stored date.
    doc! { "until": { "$add": [{ "$toLong": "$$NOW" }, i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)] } }
}

async fn renew_all(shared: Weak<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut measured = Instant::now();
    loop {
        let Some(alive) = shared.upgrade() else { return };
        let lease = alive.options.lease;
        // A pool that is full of work holds no lease up.
        let tables = Tables::of(&alive.aside.database(alive.own.name()));
        let mut failed = false;
        for worker in alive.claims.to_renew() {
            if !alive.is_frozen() {
                failed |= alive.renew(&tables.workers, &worker).await.is_err();
            }
        }
        match alive.look_at_incarnation(&tables.meta).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(_) => failed = true,
        }
        // Who has no worker learns the server's time in another way.
        if measured.elapsed() > MEASURED {
            measured = Instant::now();
            let _ = alive.measure_clock().await;
        }
        drop(alive);
        // A third of its length, so that two may fail; sooner after one that did.
        let wait = if failed { lease / 12 } else { lease / 3 };
        let _ = tokio::time::timeout(wait, stopped.wait_for(|stopped| *stopped)).await;
        if *stopped.borrow() {
            return;
        }
    }
}

impl Shared {
    /// A name that is never used again.
    pub(super) fn new_worker(&self) -> Result<WorkerId> {
        let random: [u8; 10] = random().map_err(|failure| failure.error(&self.name))?;
        Ok(WorkerId(crate::digest::hex(&random).into()))
    }

    /// Registers a worker, and wakes what was parked for another build.
    pub(super) async fn register(&self, id: &WorkerId, build: u64) -> Result<(), Fault> {
        if self.look_at_incarnation(&self.tables.meta).await? {
            return Err(self.replaced().into());
        }
        self.point("before-commit", || "register".to_owned());
        let mut set = until(self.options.lease);
        set.extend(doc! { "build": build as i64, "registered": Stamp::now().0 });
        let add = self.tables.workers.update_one(doc! { "_id": &*id.0 }, vec![doc! { "$set": set }]).upsert(true);
        self.command(add).await?;
        self.claims.register(id.clone());
        // As a range, so that servers find it by an index that don't use one for `$exists`.
        let (until, ours) = (doc! { "$gte": i64::MIN }, doc! { "until_build": build as i64 });
        let parked = doc! { "status": PARKED, "until_build": until, "$nor": [ours] };
        let mut wake = due_now(Stamp::now());
        wake.extend(doc! { "status": OPEN, "reason": "$$REMOVE", "until_build": "$$REMOVE" });
        let woken = self.command(self.tables.executions.update_many(parked, vec![doc! { "$set": wake }])).await?;
        if woken.modified_count > 0 {
            self.bump();
        }
        self.point("after-commit", || "register".to_owned());
        Ok(())
    }

    /// Renews a lease. One that isn't there any more is lost, and all with it.
    async fn renew(&self, workers: &Collection<Document>, id: &WorkerId) -> Result<(), Failure> {
        let alive = doc! { "_id": &*id.0, "dead": { "$exists": false } };
        let renew = workers.update_one(alive, vec![doc! { "$set": until(self.options.lease) }]);
        let renewed = self.driven(renew).await?.map_err(|error| Failure::of(&error, &self.redaction))?;
        if renewed.matched_count == 0 && self.claims.retire(id) {
            tracing::warn!(worker = %id.0, "the worker was taken off the list: what it owned is another's now");
            self.bump();
        }
        Ok(())
    }

    /// Gives up the lease of a worker that was dropped: no renewal, and a mark, so that nobody waits for its end. Where the
    /// mark can't be made, the lease runs out.
    pub(super) fn forsake(self: &Arc<Self>, id: &WorkerId) {
        self.claims.retire(id);
        let (workers, id) = (self.tables.workers.clone(), id.clone());
        let marking = self.runtime.spawn(async move {
            let mark = workers.update_one(doc! { "_id": &*id.0 }, doc! { "$set": { "dead": true } });
            if let Err(error) = mark.await {
                tracing::debug!(%error, "the lease of a worker that was dropped runs out by itself");
            }
        });
        *self.forsaken.lock().unwrap_or_else(PoisonError::into_inner) = Some(marking);
    }

    /// Asks the server for its time.
    pub(super) async fn measure_clock(&self) -> Result<(), Failure> {
        let (begun, now) = (Instant::now(), Stamp::now());
        let hello = self.command(self.own.run_command(doc! { "hello": 1 })).await?;
        if let Ok(theirs) = hello.get_datetime("localTime") {
            let half = i64::try_from(begun.elapsed().as_millis() / 2).unwrap_or_default();
            self.ahead.store(theirs.timestamp_millis() - now.0 - half, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The server's clock, as far as is known.
    pub(super) fn server_now(&self) -> i64 {
        Stamp::now().0.saturating_add(self.ahead.load(Ordering::Relaxed))
    }
}
