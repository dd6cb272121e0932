//! Programs as data, and the durable function that runs them: every way that futures can be put together which
//! outlast allows.
//!
//! A value flows through a program: what an operation gives decides the arguments of the next one, so that a replay that
//! goes another way soon calls something else.

mod branches;
mod channels;
mod operation;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all, select_all};
use futures::stream::StreamExt;

pub(super) use branches::Hesitant;
pub(super) use operation::{Argument, Body, Ends, Leaf};

use super::probe::note;
use crate::durable;
use crate::engine::held::Held;
use branches::{Early, helper_select, join, looped, select, sequence, try_join, unordered};
use channels::{feed, shared, talk};
use operation::{Came, Problem, call, number, sum};

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
    /// A future that looks at what is in it one poll late, and wakes itself for that.
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
            Node::Hesitant(node) => Hesitant::new(run(node, last)).await,
        }
    })
}

fn draw() -> u64 {
    let drawn = crate::random::<u64>();
    note(format!("now {}, random {drawn}, uuid {}", crate::now(), crate::uuid()));
    drawn % 1_000
}
