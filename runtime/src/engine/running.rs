//! Which app a call outside executions means: the one that runs, or, of several, the one whose scope it stands in.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use super::Engine;
use super::held::Held;
use crate::error::{Error, ErrorKind, Result};

static RUNNING: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

thread_local! {
    static SCOPE: RefCell<Option<Arc<Engine>>> = const { RefCell::new(None) };
}

pub(crate) fn register(engine: &Arc<Engine>) {
    RUNNING.held().push(Arc::downgrade(engine));
}

pub(crate) fn unregister(engine: &Engine) {
    RUNNING.held().retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), engine));
}

/// The app at hand.
pub(crate) fn current() -> Result<Arc<Engine>> {
    if let Some(engine) = SCOPE.with(|scope| scope.borrow().clone()) {
        return Ok(engine);
    }
    let list = RUNNING.held();
    let mut running = list.iter().filter_map(Weak::upgrade).filter(|engine| !engine.is_closed());
    match (running.next(), running.count()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(Error::of(
            ErrorKind::Misplaced,
            "no app is running: start one with `App::from_env().start().await?` (or `run()`) first",
        )),
        (Some(_), more) => Err(Error::of(
            ErrorKind::Misplaced,
            format!("{} apps are running in this process: wrap the call in `running.scope(async {{ … }})`", more + 1),
        )),
    }
}

/// A future whose calls mean one app.
pub(crate) struct Scoped<F> {
    engine: Arc<Engine>,
    future: Pin<Box<F>>,
}

impl<F: Future> Scoped<F> {
    pub(crate) fn new(engine: Arc<Engine>, future: F) -> Self {
        Self { engine, future: Box::pin(future) }
    }
}

struct Restore(Option<Arc<Engine>>);

impl Drop for Restore {
    fn drop(&mut self) {
        SCOPE.with(|scope| std::mem::swap(&mut *scope.borrow_mut(), &mut self.0));
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = Restore(SCOPE.with(|scope| scope.borrow_mut().replace(self.engine.clone())));
        self.future.as_mut().poll(cx)
    }
}
