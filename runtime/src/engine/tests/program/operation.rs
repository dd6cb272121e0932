//! The operations of a program: steps, transactions, timers, signals, children, reads.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};

use crate::engine::tests::probe;
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
pub(in crate::engine::tests) struct Body {
    pub(in crate::engine::tests) yields: u8,
    pub(in crate::engine::tests) millis: u8,
    pub(in crate::engine::tests) ends: Ends,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::tests) enum Ends {
    Well,
    /// With an error of its own type.
    Refused,
    /// With an error that is worth another attempt, which may end well.
    Failed,
    Panic,
}

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::tests) enum Leaf {
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
pub(in crate::engine::tests) enum Argument {
    Number(u8),
    Last,
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
pub(super) async fn beta(argument: u64, body: Body) -> Result<u64, Problem> {
    work(argument, body).await
}

#[step(retry(max_attempts = 3, initial = "1ms"), timeout = "20ms", skip(body))]
async fn gamma(argument: u64, body: Body) -> Result<u64, Problem> {
    work(argument, body).await
}

#[step(at_most_once, skip(body))]
async fn delta(argument: u64, body: Body) -> Result<u64, Problem> {
    probe::body_begins_once();
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
        Ends::Refused => Err(Problem::Refused(argument)),
        Ends::Failed if drawn < 500 => Err(crate::Error::new("not yet").into()),
        Ends::Well | Ends::Failed => Ok(drawn),
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
pub(super) fn call(leaf: Leaf, last: u64) -> BoxFuture<'static, Came> {
    match leaf {
        Leaf::Step { name, argument, body } => {
            let argument = argument.value(last);
            match name % 4 {
                0 => Box::pin(alpha(argument, body)),
                1 => Box::pin(beta(argument, body)),
                2 => Box::pin(gamma(argument, body)),
                _ => Box::pin(delta(argument, body)),
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
pub(super) fn number(came: Came) -> u64 {
    match came {
        Ok(value) => value,
        Err(Problem::Refused(value)) => 2_000 + value,
        Err(Problem::Outlast(error)) => 3_000 + error.kind().name().len() as u64,
    }
}

pub(super) fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, |sum, number| sum.wrapping_mul(31).wrapping_add(number) % 1_000_003)
}
