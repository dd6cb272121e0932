//! Signals: what others send to a running execution, taken by whoever waits for it first in order of places.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::Engine;
use super::context::{self, Context};
use super::held::Held;
use super::launch::Launch;
use super::names;
use super::operation::{Operation, Placed, misplaced};
use super::sleep::shown;
use super::state::Taken;
use crate::duration::IntoDuration;
use crate::encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::function::outcome::Success;
use crate::store::Kind;

/// A wait for a signal.
#[must_use = "a signal isn't waited for until it is awaited"]
pub struct Signal<T: 'static> {
    operation: Operation<Result<Option<T>>>,
}

/// Waits for a signal of this name. A signal sent before the wait begins isn't lost.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[durable]
/// async fn approval(order: String) -> Result<bool> {
///     let answer = outlast::signal::<bool>("answer").timeout("7d").await?;
///     Ok(answer.unwrap_or(false))
/// }
/// ```
pub fn signal<T: Success>(name: &str) -> Signal<T> {
    if let Err(error) = names::check("signal", name) {
        return Signal { operation: Operation::ready(Err(error)) };
    }
    let operation = match context::current() {
        Some(Context::Execution(execution)) => {
            let engine = execution.engine.clone();
            let digest = engine.digest(Kind::Signal, name, &[]);
            let name: Arc<str> = name.into();
            let launch = || Launch::Signal(None);
            let placed = Placed::new(&execution, Kind::Signal, name.clone().into(), digest, Vec::new(), launch);
            Operation::placed(placed, move |taken| read(&engine, &name, taken))
        }
        other => Operation::ready(Err(misplaced("`signal`", other.as_ref()))),
    };
    Signal { operation }
}

fn read<T: Success>(engine: &Engine, name: &str, taken: Result<Taken>) -> Result<Option<T>> {
    match taken? {
        Taken::Value(_) => Ok(None),
        Taken::Arrival(payload) => {
            let payload = match encoding::as_sealed(&payload) {
                Some(sealed) => engine.open(sealed, name)?,
                None => payload,
            };
            encoding::decode(&payload).map(Some).map_err(|error| {
                Error::of(
                    ErrorKind::NotRecordable,
                    format!("the signal `{name}` doesn't fit what is waited for: {error}"),
                )
                .into_terminal()
            })
        }
    }
}

impl<T> Signal<T> {
    /// Gives up after so long: the result is an `Option`, and a signal that comes later isn't lost.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Operation<Result<Option<T>>> {
        let timeout = match timeout.into_duration() {
            Ok(timeout) => timeout,
            Err(error) => return Operation::ready(Err(error)),
        };
        if let Some(placed) = self.operation.place() {
            let execution = placed.execution().clone();
            let due = execution.state.held().now.after(timeout);
            placed.set_arguments(shown("timeout", timeout));
            placed.relaunch(Launch::Signal(Some(due)));
        }
        self.operation
    }
}

impl<T> Future for Signal<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.operation)
            .poll(cx)
            .map(|result| result?.ok_or_else(|| Error::of(ErrorKind::Timeout, "a signal without a timeout timed out")))
    }
}
