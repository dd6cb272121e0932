//! Programs as data, and the durable function that runs them: every way that futures can be put together which
//! outlast allows.
//!
//! A value flows through a program: what an operation gives decides the arguments of the next one, so that a replay that
//! goes another way soon calls something else.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all, select_all};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::probe::{self, note};
use crate::engine::held::Held;
use crate::{collection, durable, step, transaction};

/// The error of the programs' steps: typed, and with room for what isn't theirs.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
pub(super) enum Problem {
    #[error("refused: {0}")]
    Refused(u64),
    #[error("{0}")]
    Outlast(#[from] crate::Error),
}

pub(super) type Came = Result<u64, Problem>;

/// What a step's body does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    pub(super) yields: u8,
    pub(super) millis: u8,
    pub(super) ends: Ends,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Well,
    /// With an error of its own type.
    Refused,
    /// With an error that is worth another attempt, which may end well.
    Failed,
    Panic,
}

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf {
    Step {
        name: u8,
        argument: Argument,
        body: Body,
    },
    Inline {
        argument: Argument,
        body: Body,
    },
    Transaction {
        argument: Argument,
        body: Body,
    },
    Sleep {
        millis: u8,
    },
    Signal {
        name: u8,
        timeout: Option<u8>,
    },
    Child {
        argument: Argument,
    },
    /// Started, and then: its result, or its cancellation.
    Start {
        argument: Argument,
        cancel: bool,
    },
    Read,
}

/// An argument: a few constants, so that equal calls are common, or what came before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument {
    Number(u8),
    Last,
}

/// How branches talk to each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Channel {
    Oneshot,
    Mpsc,
    Watch,
    Broadcast,
    Notify,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    /// `now`, `random` and `uuid`, each in the trace.
    Draw,
    /// One after the other; the first error ends it if `strict`.
    Sequence {
        nodes: Vec<Node>,
        strict: bool,
    },
    Join(Vec<Node>),
    TryJoin(Vec<Node>),
    JoinAll(Vec<Node>),
    /// More branches than `join_all` polls itself.
    Crowd {
        branches: u8,
        leaf: Leaf,
    },
    /// Taken in the order of their ends; the rest is dropped after so many.
    Unordered {
        nodes: Vec<Node>,
        takes: u8,
    },
    Buffered {
        nodes: Vec<Node>,
        width: u8,
    },
    /// `tokio::select!` as the macro leaves it.
    Select(Vec<Node>),
    /// `outlast::select!`, of a helper.
    HelperSelect(Vec<Node>),
    Timeout {
        node: Box<Node>,
        millis: u8,
    },
    /// `select!` over `&mut` in a loop, until all have ended.
    Loop(Vec<Node>),
    SelectAll(Vec<Node>),
    /// Called, polled so often, and awaited after the rest.
    Early {
        leaf: Leaf,
        polls: u8,
        rest: Box<Node>,
    },
    /// Called, polled so often, and dropped.
    Dropped {
        leaf: Leaf,
        polls: u8,
    },
    /// Called, polled so often, kept while the rest runs, and never awaited.
    Kept {
        leaf: Leaf,
        polls: u8,
        rest: Box<Node>,
    },
    Channel {
        channel: Channel,
        sender: Box<Node>,
        receivers: Vec<Node>,
    },
    /// One outcome feeds several channels, which a `select!` awaits.
    Feed {
        leaf: Leaf,
        ways: u8,
    },
    /// Clones of one `Shared`, each with more behind it, joined or selected.
    Shared {
        leaf: Leaf,
        rest: Vec<Node>,
        joined: bool,
    },
    /// Branches that hold one `tokio::sync::Mutex` in turn.
    Locked(Vec<Node>),
    /// A nested async block, boxed and fused.
    Nested(Box<Node>),
    /// A future that looks at what is in it at every second poll, and wakes itself for that.
    Hesitant(Box<Node>),
}

static PROGRAMS: LazyLock<Mutex<HashMap<u64, Arc<Node>>>> = LazyLock::new(Mutex::default);

/// Makes a program known under a number, the argument of [`rule_program`].
pub(super) fn put(number: u64, program: Node) {
    PROGRAMS.held().insert(number, Arc::new(program));
}

pub(super) fn remove(number: u64) {
    PROGRAMS.held().remove(&number);
}

#[durable]
async fn rule_program(number: u64) -> Result<u64, Problem> {
    let program = PROGRAMS.held().get(&number).cloned();
    match program {
        Some(program) => run(&program, 0).await,
        None => Err(Problem::Refused(number)),
    }
}

#[durable]
async fn rule_child(argument: u64) -> Result<u64, Problem> {
    let body = Body { yields: 1, millis: (argument % 2) as u8, ends: Ends::Well };
    let value = alpha(argument, body).await?;
    if argument % 3 == 1 {
        crate::sleep(Duration::from_millis(1)).await?;
    }
    if argument % 4 == 3 { Err(Problem::Refused(value)) } else { Ok(value) }
}

#[step(retry(max_attempts = 2, initial = "1ms"), skip(body))]
async fn alpha(argument: u64, body: Body) -> Result<u64, Problem> {
    work(argument, body).await
}

#[step(retry(max_attempts = 1), skip(body))]
async fn beta(argument: u64, body: Body) -> Result<u64, Problem> {
    work(argument, body).await
}

#[step(retry(max_attempts = 3, initial = "1ms"), timeout = "20ms", skip(body))]
async fn gamma(argument: u64, body: Body) -> Result<u64, Problem> {
    work(argument, body).await
}

async fn work(argument: u64, body: Body) -> Result<u64, Problem> {
    probe::body_begins();
    for _ in 0..body.yields {
        tokio::task::yield_now().await;
    }
    if body.millis > 0 {
        tokio::time::sleep(Duration::from_millis(body.millis.into())).await;
    }
    ends(argument, body)
}

fn ends(argument: u64, body: Body) -> Result<u64, Problem> {
    let drawn = crate::random::<u64>() % 1_000;
    match body.ends {
        Ends::Well => Ok(drawn),
        Ends::Refused => Err(Problem::Refused(argument)),
        Ends::Failed if drawn < 500 => Err(crate::Error::new("not yet").into()),
        Ends::Failed => Ok(drawn),
        // Without a word on standard error.
        Ends::Panic => std::panic::resume_unwind(Box::new(format!("a body of {argument}"))),
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    #[serde(rename = "_id")]
    id: String,
    argument: u64,
}

/// Writes a document that can be written once: a second run would fail.
#[transaction(retry(max_attempts = 2, initial = "1ms"), skip(body))]
async fn write(argument: u64, body: Body) -> Result<u64, Problem> {
    probe::body_begins();
    let written = Written { id: crate::idempotency_key(), argument };
    collection::<Written>("written").insert_one(written).await?;
    ends(argument, body)
}

fn plain(result: crate::Result<u64>) -> Came {
    result.map_err(Problem::from)
}

impl Argument {
    fn value(self, last: u64) -> u64 {
        match self {
            Self::Number(number) => number.into(),
            Self::Last => last % 3,
        }
    }
}

const SIGNALS: [&str; 2] = ["green", "red"];

/// Calls an operation: its place is taken now.
fn call(leaf: Leaf, last: u64) -> BoxFuture<'static, Came> {
    match leaf {
        Leaf::Step { name, argument, body } => {
            let argument = argument.value(last);
            match name % 3 {
                0 => Box::pin(alpha(argument, body)),
                1 => Box::pin(beta(argument, body)),
                _ => Box::pin(gamma(argument, body)),
            }
        }
        Leaf::Inline { argument, body } => {
            let argument = argument.value(last);
            let body = Body { ends: if body.ends == Ends::Well { Ends::Well } else { Ends::Refused }, ..body };
            let inline = crate::step(format!("inline-{argument}"), async move || {
                work(argument, body).await.map_err(crate::Error::terminal)
            });
            Box::pin(inline.map(plain))
        }
        Leaf::Transaction { argument, body } => Box::pin(write(argument.value(last), body)),
        Leaf::Sleep { millis } => {
            let slept = crate::sleep(Duration::from_millis(millis.into()));
            Box::pin(slept.map(|slept| plain(slept.map(|()| 1))))
        }
        Leaf::Signal { name, timeout } => {
            let signal = crate::signal::<u64>(SIGNALS[usize::from(name) % SIGNALS.len()]);
            match timeout {
                None => Box::pin(signal.map(plain)),
                Some(millis) => {
                    let signal = signal.timeout(Duration::from_millis(millis.into()));
                    Box::pin(signal.map(|came| plain(came.map(|came| came.unwrap_or(1_000)))))
                }
            }
        }
        Leaf::Child { argument } => Box::pin(rule_child(argument.value(last))),
        Leaf::Start { argument, cancel } => {
            let start = rule_child(argument.value(last)).start();
            Box::pin(async move {
                let handle = start.await?;
                if cancel {
                    handle.cancel().await?;
                }
                handle.result().await
            })
        }
        Leaf::Read => {
            let all = collection::<Written>("written").find_one(bson::doc! {});
            Box::pin(all.map(|found| plain(found.map(|found| found.map_or(7, |written| written.argument)))))
        }
    }
}

/// A result as the next value.
fn number(came: Came) -> u64 {
    match came {
        Ok(value) => value,
        Err(Problem::Refused(value)) => 2_000 + value,
        Err(Problem::Outlast(error)) => 3_000 + error.kind().name().len() as u64,
    }
}

fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, |sum, number| sum.wrapping_mul(31).wrapping_add(number) % 1_000_003)
}

/// Runs a part of a program.
fn run(node: &Node, last: u64) -> BoxFuture<'_, Came> {
    Box::pin(async move {
        match node {
            Node::Leaf(leaf) => call(*leaf, last).await,
            Node::Draw => Ok(draw()),
            Node::Sequence { nodes, strict } => sequence(nodes, *strict, last).await,
            Node::Join(nodes) => Ok(join(nodes, last).await),
            Node::TryJoin(nodes) => try_join(nodes, last).await,
            Node::JoinAll(nodes) => {
                let all = join_all(nodes.iter().map(|node| run(node, last))).await;
                Ok(sum(all.into_iter().map(number)))
            }
            Node::Crowd { branches, leaf } => {
                let all = join_all((0..*branches).map(|branch| async move {
                    let came = call(*leaf, last + u64::from(branch)).await;
                    note(format!("branch {branch}"));
                    came
                }));
                Ok(sum(all.await.into_iter().map(number)))
            }
            Node::Unordered { nodes, takes } => Ok(unordered(nodes, *takes, last).await),
            Node::Buffered { nodes, width } => {
                let parts: Vec<_> = nodes.iter().map(|node| run(node, last)).collect();
                let all = futures::stream::iter(parts).buffer_unordered((*width).max(1).into());
                Ok(sum(all.map(number).collect::<Vec<_>>().await))
            }
            Node::Select(nodes) => select(nodes, last).await,
            Node::HelperSelect(nodes) => helper_select(nodes, last).await,
            Node::Timeout { node, millis } => {
                tokio::select! {
                    biased;
                    came = run(node, last) => came,
                    _ = crate::sleep(Duration::from_millis((*millis).into())) => { note("timeout"); Ok(4_000) }
                }
            }
            Node::Loop(nodes) => Ok(looped(nodes, last).await),
            Node::SelectAll(nodes) => {
                let mut left: Vec<_> = nodes.iter().map(|node| run(node, last)).collect();
                let mut all = Vec::new();
                while !left.is_empty() {
                    let (came, at, rest) = select_all(left).await;
                    note(format!("select_all {at}"));
                    all.push(number(came));
                    left = rest;
                }
                Ok(sum(all))
            }
            Node::Early { leaf, polls, rest } => {
                let mut early = Early::new(*leaf, *polls, last);
                let rest = number(run(rest, last).await);
                Ok(sum([rest, number(early.wait().await)]))
            }
            Node::Dropped { leaf, polls } => {
                let early = Early::new(*leaf, *polls, last);
                Ok(early.came.map_or(5_000, number))
            }
            Node::Kept { leaf, polls, rest } => {
                let kept = Early::new(*leaf, *polls, last);
                let came = run(rest, last).await;
                drop(kept);
                came
            }
            Node::Channel { channel, sender, receivers } => Ok(talk(*channel, sender, receivers, last).await),
            Node::Feed { leaf, ways } => Ok(feed(*leaf, *ways, last).await),
            Node::Shared { leaf, rest, joined } => Ok(shared(*leaf, rest, *joined, last).await),
            Node::Locked(nodes) => {
                let lock = tokio::sync::Mutex::new(());
                let all = join_all(nodes.iter().map(|node| async {
                    let _turn = lock.lock().await;
                    run(node, last).await
                }));
                Ok(sum(all.await.into_iter().map(number)))
            }
            Node::Nested(node) => {
                let block = async { async { run(node, last).await }.await };
                Box::pin(block.fuse()).await
            }
            Node::Hesitant(node) => Hesitant { inside: run(node, last), looks: false }.await,
        }
    })
}

fn draw() -> u64 {
    let drawn = crate::random::<u64>();
    note(format!("now {}, random {drawn}, uuid {}", crate::now(), crate::uuid()));
    drawn % 1_000
}

async fn sequence(nodes: &[Node], strict: bool, last: u64) -> Came {
    let mut value = last;
    for node in nodes {
        let came = run(node, value).await;
        value = if strict { came? } else { number(came) };
    }
    Ok(value)
}

async fn join(nodes: &[Node], last: u64) -> u64 {
    match nodes {
        [] => 0,
        [a] => number(run(a, last).await),
        [a, b] => {
            let (a, b) = tokio::join!(run(a, last), run(b, last));
            sum([number(a), number(b)])
        }
        [a, b, c, ..] => {
            let (a, b, c) = tokio::join!(run(a, last), run(b, last), run(c, last));
            sum([number(a), number(b), number(c)])
        }
    }
}

async fn try_join(nodes: &[Node], last: u64) -> Came {
    match nodes {
        [] => Ok(0),
        [a] => run(a, last).await,
        [a, b] => {
            let (a, b) = tokio::try_join!(run(a, last), run(b, last))?;
            Ok(sum([a, b]))
        }
        [a, b, c, ..] => {
            let (a, b, c) = tokio::try_join!(run(a, last), run(b, last), run(c, last))?;
            Ok(sum([a, b, c]))
        }
    }
}

async fn unordered(nodes: &[Node], takes: u8, last: u64) -> u64 {
    let mut all: FuturesUnordered<_> =
        nodes.iter().enumerate().map(|(at, node)| run(node, last).map(move |came| (at, came))).collect();
    let mut taken = Vec::new();
    while taken.len() < takes.into()
        && let Some((at, came)) = all.next().await
    {
        note(format!("unordered {at}"));
        taken.push(number(came));
    }
    sum(taken)
}

async fn select(nodes: &[Node], last: u64) -> Came {
    match nodes {
        [] => Ok(0),
        [a] => run(a, last).await,
        [a, b] => tokio::select! {
            biased;
            came = run(a, last) => { note("select 0"); came }
            came = run(b, last) => { note("select 1"); came }
        },
        [a, b, c, ..] => tokio::select! {
            biased;
            came = run(a, last) => { note("select 0"); came }
            came = run(b, last) => { note("select 1"); came }
            came = run(c, last) => { note("select 2"); came }
        },
    }
}

async fn helper_select(nodes: &[Node], last: u64) -> Came {
    match nodes {
        [] => Ok(0),
        [a] => run(a, last).await,
        [a, b, ..] => crate::select! {
            came = run(a, last) => { note("helper 0"); came }
            came = run(b, last) => { note("helper 1"); came }
        },
    }
}

/// Two branches by `&mut` until both have ended, with a step of the loop's own after each.
async fn looped(nodes: &[Node], last: u64) -> u64 {
    let (Some(a), Some(b)) = (nodes.first(), nodes.get(1)) else { return 0 };
    let (mut a, mut b) = (run(a, last), run(b, last));
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        tokio::select! {
            biased;
            came = &mut a, if first.is_none() => { note("loop 0"); first = Some(number(came)); }
            came = &mut b, if second.is_none() => { note("loop 1"); second = Some(number(came)); }
        }
        let body = Body { yields: 2, millis: 0, ends: Ends::Well };
        let came = beta(first.or(second).unwrap_or(0) % 3, body).await;
        note(format!("looped {}", number(came)));
    }
    sum([first.unwrap_or(0), second.unwrap_or(0)])
}

/// An operation that was called before it is awaited.
struct Early {
    operation: BoxFuture<'static, Came>,
    came: Option<Came>,
}

impl Early {
    fn new(leaf: Leaf, polls: u8, last: u64) -> Self {
        let mut early = Self { operation: call(leaf, last), came: None };
        for _ in 0..polls {
            if early.came.is_none() {
                early.came = (&mut early.operation).now_or_never();
            }
        }
        early
    }

    async fn wait(&mut self) -> Came {
        match self.came.take() {
            Some(came) => came,
            None => (&mut self.operation).await,
        }
    }
}

/// Looks at what is in it at every second poll, and wakes itself for that.
pub(super) struct Hesitant<F> {
    pub(super) inside: F,
    pub(super) looks: bool,
}

impl<F: Future + Unpin> Future for Hesitant<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.looks = !self.looks;
        if self.looks {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.inside).poll(cx)
    }
}

/// A sender's branch tells every receiver's branch; a receiver that hears nothing goes on too.
async fn talk(channel: Channel, sender: &Node, receivers: &[Node], last: u64) -> u64 {
    type Told<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;
    let mut ears: Vec<Told<'_>> = Vec::new();
    let tell: Box<dyn FnOnce(u64) -> Told<'static> + Send>;
    let count = receivers.len();
    match channel {
        Channel::Oneshot => {
            let mut mouths = Vec::new();
            for _ in 0..count {
                let (mouth, ear) = oneshot::channel();
                mouths.push(mouth);
                ears.push(Box::pin(async { ear.await.unwrap_or(6_000) }));
            }
            tell = Box::new(|value| {
                Box::pin(async move {
                    for mouth in mouths {
                        let _ = mouth.send(value);
                    }
                    0
                })
            });
        }
        Channel::Mpsc => {
            let mut mouths = Vec::new();
            for _ in 0..count {
                let (mouth, mut ear) = mpsc::channel(1);
                mouths.push(mouth);
                ears.push(Box::pin(async move {
                    let mut heard = 0;
                    while let Some(value) = ear.recv().await {
                        heard += value;
                    }
                    heard
                }));
            }
            tell = Box::new(|value| {
                Box::pin(async move {
                    for round in 0..3 {
                        for mouth in &mouths {
                            let _ = mouth.send(value + round).await;
                        }
                    }
                    0
                })
            });
        }
        Channel::Watch => {
            let (mouth, ear) = watch::channel(0);
            for _ in 0..count {
                let mut ear = ear.clone();
                ears.push(Box::pin(async move {
                    let changed = ear.changed().await.is_ok();
                    let heard = *ear.borrow();
                    if changed { heard } else { 6_001 }
                }));
            }
            tell = Box::new(move |value| {
                Box::pin(async move {
                    let _ = mouth.send(value);
                    0
                })
            });
        }
        Channel::Broadcast => {
            let (mouth, _) = broadcast::channel(4);
            for _ in 0..count {
                let mut ear = mouth.subscribe();
                ears.push(Box::pin(async move { ear.recv().await.unwrap_or(6_002) }));
            }
            tell = Box::new(move |value| {
                Box::pin(async move {
                    let _ = mouth.send(value);
                    0
                })
            });
        }
        Channel::Notify => {
            let mut mouths = Vec::new();
            for _ in 0..count {
                // One each: a permit is kept for who comes later.
                let mouth = Arc::new(tokio::sync::Notify::new());
                mouths.push(mouth.clone());
                ears.push(Box::pin(async move {
                    mouth.notified().await;
                    6_003
                }));
            }
            tell = Box::new(move |_| {
                Box::pin(async move {
                    for mouth in mouths {
                        mouth.notify_one();
                    }
                    0
                })
            });
        }
    }
    let sends = async move {
        let value = number(run(sender, last).await);
        tell(value % 10).await;
        value
    };
    let hears = join_all(ears.into_iter().zip(receivers).enumerate().map(|(at, (ear, node))| async move {
        let heard = ear.await;
        note(format!("heard {at}: {heard}"));
        number(run(node, heard).await)
    }));
    let (sent, heard) = tokio::join!(sends, hears);
    sum([sent, sum(heard)])
}

async fn feed(leaf: Leaf, ways: u8, last: u64) -> u64 {
    let (mut mouths, mut ears) = (Vec::new(), Vec::new());
    for _ in 0..ways.max(2) {
        let (mouth, ear) = oneshot::channel::<u64>();
        mouths.push(mouth);
        ears.push(ear);
    }
    let feeds = async {
        let value = number(call(leaf, last).await);
        for mouth in mouths {
            let _ = mouth.send(value);
        }
        value
    };
    let (mut one, mut other) = (ears.swap_remove(0), ears.swap_remove(0));
    let takes = async {
        tokio::select! {
            biased;
            value = &mut one => (0, value.unwrap_or(0)),
            value = &mut other => (1, value.unwrap_or(0)),
        }
    };
    let (fed, (way, value)) = tokio::join!(feeds, takes);
    note(format!("fed {way}"));
    sum([fed, way, value])
}

async fn shared(leaf: Leaf, rest: &[Node], joined: bool, last: u64) -> u64 {
    let one = call(leaf, last).map(number).shared();
    let branches = rest.iter().enumerate().map(|(at, node)| {
        let one = one.clone();
        Box::pin(async move {
            let value = one.await;
            note(format!("shared {at}"));
            number(run(node, value).await)
        })
    });
    let branches: Vec<_> = branches.collect();
    if branches.is_empty() {
        return one.await;
    }
    if joined { sum(join_all(branches).await) } else { select_all(branches).await.0 }
}
