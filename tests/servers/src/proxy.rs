//! A proxy between a driver and a server that does to their talk what a network and a failing server do: it delays, cuts,
//! loses and repeats, and answers in the server's place.
//!
//! It reads what passes (no TLS), so that a rule can say which request it is about, and a test how often a command was
//! sent. The same seed and the same requests give the same faults.

mod connection;
mod rule;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::chance::Chance;
use crate::wire::Command;
use rule::Armed;
pub use rule::{Fault, Rule, failure};

/// A proxy of one server, on a port of its own. Dropped, it closes all that went through it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// What all connections look at.
#[derive(Debug)]
struct Shared {
    server: String,
    state: Mutex<State>,
    /// Counts the cuts: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    paused: watch::Sender<bool>,
    accepted: AtomicU64,
}

#[derive(Debug)]
struct State {
    seed: u64,
    rules: Vec<Armed>,
    refusing: bool,
    latency: Duration,
    jitter: Duration,
    chance: Chance,
    counts: BTreeMap<(String, Option<String>), u64>,
    log: Option<Vec<Command>>,
}

impl FaultProxy {
    /// Starts a proxy before a server; what it leaves to chance comes from `seed`.
    pub async fn start(server: impl Into<String>, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = State {
            seed,
            rules: Vec::new(),
            refusing: false,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            chance: Chance::of(seed),
            counts: BTreeMap::new(),
            log: None,
        };
        let shared = Arc::new(Shared {
            server: server.into(),
            state: Mutex::new(state),
            cuts: watch::Sender::new(0),
            paused: watch::Sender::new(false),
            accepted: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(Self { address, shared, accepting })
    }

    /// Where drivers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a rule; of several that fit a request, the first one acts.
    pub fn add(&self, rule: Rule) {
        let mut state = self.shared.state();
        let seed = state.seed.wrapping_add(state.rules.len() as u64 + 1);
        state.rules.push(Armed::new(rule, seed));
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.shared.state().rules.clear();
    }

    /// How often rules have acted, in the order in which they were added.
    pub fn hits(&self) -> Vec<u64> {
        self.shared.state().rules.iter().map(Armed::hits).collect()
    }

    /// Delays every request by `fixed` and up to `jitter` more.
    pub fn delay(&self, fixed: Duration, jitter: Duration) {
        let mut state = self.shared.state();
        (state.latency, state.jitter) = (fixed, jitter);
    }

    /// Closes all connections; new ones are served.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes new connections as soon as they are made, or serves them again.
    pub fn refuse(&self, refusing: bool) {
        self.shared.state().refusing = refusing;
    }

    /// Passes nothing on in either direction, while connections stay open: a network that has gone silent.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Passes on what has waited, and goes on.
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How often a command has been sent, whatever became of it.
    pub fn commands(&self, name: &str) -> u64 {
        self.shared.state().counts.iter().filter(|((sent, _), _)| sent == name).map(|(_, count)| count).sum()
    }

    /// How often a command has been sent about a collection, whatever became of it.
    pub fn commands_of(&self, name: &str, collection: &str) -> u64 {
        let key = (name.to_owned(), Some(collection.to_owned()));
        self.shared.state().counts.get(&key).copied().unwrap_or(0)
    }

    /// Keeps every command from now on, for [`log`](Self::log).
    pub fn keep_log(&self) {
        self.shared.state().log.get_or_insert_default();
    }

    /// The commands that were sent since [`keep_log`](Self::keep_log).
    pub fn log(&self) -> Vec<Command> {
        self.shared.state().log.clone().unwrap_or_default()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a request, and how long it waits first.
    fn judge(&self, command: Option<&Command>) -> (Duration, Option<Fault>) {
        let mut state = self.state();
        let jitter = state.jitter;
        let wait = state.latency + if jitter.is_zero() { jitter } else { jitter.mul_f64(state.chance.draw()) };
        let Some(command) = command else { return (wait, None) };
        *state.counts.entry((command.name.clone(), command.collection.clone())).or_default() += 1;
        if let Some(log) = &mut state.log {
            log.push(command.clone());
        }
        (wait, state.rules.iter_mut().find_map(|rule| rule.acts_on(command)))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // An accept that fails is about the one who has gone already.
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        if !shared.state().refusing {
            tokio::spawn(serve(client, shared.clone()));
        }
    }
}

/// Passes on until one side closes or everything is cut.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(server) = TcpStream::connect(&shared.server).await else { return };
    tokio::select! {
        () = connection::pass(client, server, &shared) => {}
        _ = cuts.changed() => {}
    }
}
