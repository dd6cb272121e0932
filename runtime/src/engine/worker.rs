//! The worker: claims what is due, sweeps up after the dead, hears what has changed, and goes without leaving a trace.

use std::hash::Hasher;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Engine;
use super::execution::Execution;
use super::held::Held;
use super::lane::{Event, Lanes};
use super::state::Phase;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ClaimRequest, Stamp, WorkerId};

/// The wait before a store that is away is asked again.
pub(crate) const RETRY: Duration = Duration::from_millis(100);
/// The wait for a store that couldn't be swept.
const SWEEP: Duration = Duration::from_millis(250);
/// The longest wait between two looks of who has no worker, or no room for what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that come within so long are looked at together.
const GATHER: Duration = Duration::from_millis(2);
/// How often what is past its retention is looked for.
const PURGE: Duration = Duration::from_secs(60);

/// Which binary this is: another build may fare better with an execution that this one can't go on with.
pub(crate) fn build() -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
    if let Ok(named) = std::env::var("OUTLAST_BUILD") {
        hasher.write(named.as_bytes());
        return hasher.finish();
    }
    let file = std::env::current_exe().and_then(std::fs::metadata);
    if let Ok(file) = file {
        hasher.write_u64(file.len());
        let modified = file.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        hasher.write_u128(modified.unwrap_or_default().as_nanos());
    }
    hasher.finish()
}

impl Engine {
    /// Starts the lanes, the timers and, if this process runs executions, the worker.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<()> {
        Lanes::start(self)?;
        self.runtime.spawn(super::timers::run(Arc::downgrade(self)));
        self.runtime.spawn(super::stall::watch(Arc::downgrade(self)));
        if self.settings.worker {
            let worker = self.store.register(self.build).await?;
            *self.worker.held() = Some(worker.clone());
            let swept = self.store.sweep(&worker).await?;
            self.runtime.spawn(sweep(Arc::downgrade(self), swept.again));
            self.runtime.spawn(purge(Arc::downgrade(self)));
        }
        self.runtime.spawn(tend(Arc::downgrade(self)));
        Ok(())
    }

    fn claim_request(&self, worker: WorkerId) -> ClaimRequest {
        let functions: Vec<_> = self.registry.all().map(|function| (function.name.into(), function.version)).collect();
        let room = self.settings.max_running.saturating_sub(self.live.held().len());
        ClaimRequest { worker, functions: functions.into(), limit: room.min(self.store.claims_at_once()) }
    }

    /// One look: messages for running executions, what is due, ends that callers wait for. How long to wait for
    /// the next at the most.
    async fn look(self: &Arc<Self>) -> Result<Duration> {
        let worker = self.worker.held().clone().filter(|_| !self.is_draining());
        let mut wait = LOOK;
        if let Some(worker) = worker {
            let wakeups = self.store.wakeups(self.claim_request(worker.clone())).await?;
            for id in wakeups.arrived {
                let live = self.live.held().get(&id).cloned();
                if let Some(execution) = live {
                    execution.send(Event::Arrived);
                }
            }
            wait = wakeups.again;
            if let Some(next) = wakeups.next {
                wait = wait.min(Duration::from_millis(next.0.saturating_sub(Stamp::now().0).max(0).unsigned_abs()));
            }
            let mut due = wakeups.due;
            while due && !self.is_draining() {
                let request = self.claim_request(worker.clone());
                let asked = request.limit;
                if asked == 0 {
                    // No event tells that there is room again.
                    wait = wait.min(LOOK);
                    break;
                }
                let claimed = self.store.claim(request).await?;
                due = claimed.len() == asked;
                for claimed in claimed {
                    self.adopt(claimed);
                }
            }
        }
        self.tell_waiters().await?;
        Ok(wait)
    }

    /// Tells callers about executions that ended on other workers.
    async fn tell_waiters(&self) -> Result<()> {
        let told = self.store.told_ends();
        let mut ids = self.waiters.held().worth_a_look(told);
        if ids.is_empty() {
            return Ok(());
        }
        // Claimed here since.
        ids.retain(|id| !self.runs(id));
        if ids.is_empty() {
            return Ok(());
        }
        let ends = self.store.finished(ids).await.inspect_err(|_| self.waiters.held().missed())?;
        for (id, finished) in ends {
            self.waiters.held().tell(&id, finished);
        }
        Ok(())
    }

    /// A store that is away comes back, and callers wait for it; a damaged one doesn't.
    fn tell_of_damage(&self, error: &Error) {
        if error.kind() == ErrorKind::Damaged {
            let mut waiters = self.waiters.held();
            for id in waiters.ids() {
                waiters.tell(&id, Err(error.clone()));
            }
        }
    }

    /// Stops: takes up nothing new, lets bodies in flight record within the grace, gives everything back, closes.
    pub(crate) async fn shut_down(self: &Arc<Self>) {
        if self.draining.swap(true, Ordering::AcqRel) {
            return;
        }
        let settled = async {
            while self.live.held().values().any(has_bodies) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(self.settings.shutdown_grace, settled).await.is_err() {
            tracing::warn!("bodies still ran after the grace: they will run again elsewhere");
        }
        self.abandon_all();
        let worker = self.worker.held().take();
        if let Some(worker) = worker
            && let Err(error) = self.store.leave(&worker).await
        {
            tracing::warn!(%error, "the worker couldn't give its work back: others take it over");
        }
        self.closed.store(true, Ordering::Release);
        super::running::unregister(self);
        self.waiters.held().clear();
        self.store.close().await;
    }

    /// Stops without a word to the store, like a process that is killed.
    pub(crate) fn kill(self: &Arc<Self>) {
        self.draining.store(true, Ordering::Release);
        // Also what was left of a shutdown that was given up half-way.
        if !self.closed.swap(true, Ordering::AcqRel) {
            super::running::unregister(self);
            self.abandon_all();
            self.waiters.held().clear();
            // A handle that somebody keeps keeps the store open, but not what the worker owned.
            if let Some(worker) = self.worker.held().take() {
                self.store.forsake(&worker);
            }
        }
    }

    fn abandon_all(&self) {
        let all: Vec<_> = self.live.held().values().cloned().collect();
        for execution in all {
            execution.abandon();
        }
    }
}

fn has_bodies(execution: &Arc<Execution>) -> bool {
    let state = execution.state.held();
    state.phase != Phase::Gone && (state.busy > 0 || !state.pending.is_empty())
}

/// Looks whenever something has changed, is due, or might have been missed.
async fn tend(engine: Weak<Engine>) {
    let Some(alive) = engine.upgrade() else { return };
    let mut changes = alive.store.changes();
    let look_again = alive.look_again.clone();
    drop(alive);
    let mut away = false;
    loop {
        let Some(alive) = engine.upgrade() else { return };
        if alive.is_closed() {
            return;
        }
        changes.mark_unchanged();
        let wait = match alive.look().await {
            Ok(wait) => {
                away = false;
                wait
            }
            Err(error) => {
                // Said once, however long it is away.
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "the store is away: trying again");
                }
                alive.tell_of_damage(&error);
                drop(alive);
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        // While it waits it holds nothing, so that an engine that was given up can go.
        drop(alive);
        tokio::select! {
            biased;
            told = changes.changed() => {
                if told.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
            }
            () = look_again.notified() => {
                tokio::time::sleep(GATHER).await;
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Takes back what dead workers own; begins anew if it was taken for dead itself.
async fn sweep(engine: Weak<Engine>, mut again: Duration) {
    loop {
        // Up to a quarter more, so that workers don't all look at once.
        tokio::time::sleep(again + again * u32::from(super::random::byte()) / 1024).await;
        let Some(alive) = engine.upgrade() else { return };
        if alive.is_draining() {
            return;
        }
        let Some(worker) = alive.worker.held().clone() else { return };
        match alive.store.sweep(&worker).await {
            Ok(swept) => {
                again = swept.again;
                if swept.reclaimed > 0 {
                    tracing::info!(executions = swept.reclaimed, "taken over from a dead worker");
                }
                if !swept.standing {
                    tracing::warn!("this worker was taken for dead: what it ran goes on elsewhere");
                    alive.abandon_all();
                    match alive.store.register(alive.build).await {
                        Ok(worker) => *alive.worker.held() = Some(worker),
                        Err(error) => tracing::warn!(%error, "the worker can't register again: trying again"),
                    }
                }
            }
            Err(error) => {
                again = SWEEP;
                tracing::debug!(%error, "the store is away: sweeping later");
                alive.tell_of_damage(&error);
            }
        }
    }
}

/// Removes what is past its retention, a group at a time.
async fn purge(engine: Weak<Engine>) {
    let Some(wait) =
        engine.upgrade().map(|engine| (engine.settings.retention.executions / 2).clamp(GATHER * 50, PURGE))
    else {
        return;
    };
    loop {
        tokio::time::sleep(wait).await;
        let Some(alive) = engine.upgrade() else { return };
        if alive.is_draining() {
            return;
        }
        loop {
            match alive.store.purge(alive.settings.retention).await {
                Ok(true) => tokio::time::sleep(GATHER).await,
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "the store is away: purging later");
                    break;
                }
            }
        }
    }
}
