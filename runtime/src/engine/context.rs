//! What is being polled on this thread: an operation knows its execution by it, without a parameter.
//!
//! The context is set for the length of one poll and never across an await: a spawned task has none, which is how an
//! operation in it is told apart.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};

use super::Engine;
use super::execution::Execution;
use crate::store::{BoxFuture, ExecutionId, Key, Kind, Name};

/// What the thread is polling.
#[derive(Clone)]
pub(crate) enum Context {
    /// The root of an execution.
    Execution(Arc<Execution>),
    /// The body of a step, in a task of its own.
    Body(Arc<Scope>),
    /// The body of a transaction, on the store's side.
    Transaction(Arc<Scope>),
    /// A body run by `plain()`: nothing is recorded.
    Plain(Arc<PlainScope>),
    /// The destructors of a root that is parked, cancelled or given up: operations are inert.
    Dropping,
}

/// What the body of a step or transaction knows of itself.
pub(crate) struct Scope {
    pub(crate) engine: Arc<Engine>,
    pub(crate) name: Name,
    execution: ExecutionId,
    kind: Kind,
    key: Key,
    /// Durable calls made by this attempt so far: their ids derive from it.
    calls: AtomicU32,
}

impl Scope {
    /// The scope of an attempt at an operation.
    pub(crate) fn new(execution: &Execution, kind: Kind, key: Key, name: Name) -> Self {
        let (engine, execution) = (execution.engine.clone(), execution.id.clone());
        Self { engine, name, execution, kind, key, calls: AtomicU32::new(0) }
    }

    /// The same over retries, replay, restart and restore.
    pub(crate) fn idempotency_key(&self) -> String {
        self.engine.idempotency_key(&self.execution, self.kind, &self.key)
    }

    /// The ordinal of the next durable call that this attempt makes.
    pub(crate) fn next_call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a plain run knows of itself.
pub(crate) struct PlainScope {
    pub(crate) idempotency_key: String,
}

thread_local! {
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Puts back what was before, also when a poll panics.
struct Restore(Option<Context>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.with(|current| std::mem::swap(&mut *current.borrow_mut(), &mut self.0));
    }
}

/// Runs `poll` in a context.
pub(crate) fn within<T>(context: Context, poll: impl FnOnce() -> T) -> T {
    let _restore = Restore(CURRENT.with(|current| current.borrow_mut().replace(context)));
    poll()
}

/// The context of this thread, now.
pub(crate) fn current() -> Option<Context> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Whether this thread is inside the poll of that execution's root.
pub(crate) fn is_inside(execution: &Execution) -> bool {
    CURRENT.with(|current| match &*current.borrow() {
        Some(Context::Execution(inside)) => std::ptr::eq(Arc::as_ptr(inside), execution),
        _ => false,
    })
}

/// Whether a root is being dropped on this thread.
pub(crate) fn is_dropping() -> bool {
    CURRENT.with(|current| matches!(&*current.borrow(), Some(Context::Dropping)))
}

/// A future whose every poll runs in a context.
pub(crate) struct Scoped<T> {
    context: Context,
    future: BoxFuture<'static, T>,
}

impl<T> Scoped<T> {
    pub(crate) fn new(context: Context, future: BoxFuture<'static, T>) -> Self {
        Self { context, future }
    }
}

impl<T> Future for Scoped<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        let context = self.context.clone();
        within(context, || self.future.as_mut().poll(cx))
    }
}
