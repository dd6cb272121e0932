//! Branches of a program, put together in every way.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};

use super::operation::{Body, Came, Ends, Leaf, beta, call, number, sum};
use super::{Node, run};
use crate::engine::held::Held;
use crate::engine::tests::probe::note;

pub(super) async fn sequence(nodes: &[Node], strict: bool, last: u64) -> Came {
    let mut value = last;
    for node in nodes {
        let came = run(node, value).await;
        value = if strict { came? } else { number(came) };
    }
    Ok(value)
}

pub(super) async fn join(nodes: &[Node], last: u64) -> u64 {
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

pub(super) async fn try_join(nodes: &[Node], last: u64) -> Came {
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

pub(super) async fn unordered(nodes: &[Node], most: u8, last: u64) -> u64 {
    let mut all: FuturesUnordered<_> =
        nodes.iter().enumerate().map(|(at, node)| run(node, last).map(move |came| (at, came))).collect();
    let mut taken = Vec::new();
    while taken.len() < most.into()
        && let Some((at, came)) = all.next().await
    {
        note(format!("unordered {at}"));
        taken.push(number(came));
    }
    sum(taken)
}

pub(super) async fn select(nodes: &[Node], last: u64) -> Came {
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

pub(super) async fn helper_select(nodes: &[Node], last: u64) -> Came {
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
pub(super) async fn looped(nodes: &[Node], last: u64) -> u64 {
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
pub(super) struct Early {
    operation: BoxFuture<'static, Came>,
    pub(super) came: Option<Came>,
}

impl Early {
    pub(super) fn new(leaf: Leaf, polls: u8, last: u64) -> Self {
        let mut early = Self { operation: call(leaf, last), came: None };
        for _ in 0..polls {
            if early.came.is_none() {
                early.came = (&mut early.operation).now_or_never();
            }
        }
        early
    }

    pub(super) async fn wait(&mut self) -> Came {
        match self.came.take() {
            Some(came) => came,
            None => (&mut self.operation).await,
        }
    }
}

/// Looks at what is in it one poll after it was woken for it, and wakes itself for that.
pub(in crate::engine::tests) struct Hesitant<F> {
    inside: F,
    bell: Arc<Bell>,
    hesitated: bool,
}

/// The waker of what is inside.
struct Bell {
    rung: AtomicBool,
    outside: Mutex<Option<Waker>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        let outside = self.outside.held().take();
        if let Some(outside) = outside {
            outside.wake();
        }
    }
}

impl<F> Hesitant<F> {
    pub(in crate::engine::tests) fn new(inside: F) -> Self {
        let bell = Bell { rung: AtomicBool::new(true), outside: Mutex::default() };
        Self { inside, bell: Arc::new(bell), hesitated: false }
    }
}

impl<F: Future + Unpin> Future for Hesitant<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.bell.outside.held() = Some(cx.waker().clone());
        if !self.bell.rung.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.hesitated = !self.hesitated;
        if self.hesitated {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.bell.rung.store(false, Ordering::Relaxed);
        let bell = Waker::from(self.bell.clone());
        Pin::new(&mut self.inside).poll(&mut Context::from_waker(&bell))
    }
}
