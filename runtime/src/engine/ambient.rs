//! What plain calls see of their execution: the time, random values, keys, dependencies.

use std::any::Any;
use std::hash::Hasher;
use std::sync::Arc;

use jiff::Timestamp;
use siphasher::sip128::{Hasher128, SipHasher24};
use uuid::Uuid;

use super::context::{self, Context};
use super::execution::Execution;
use super::held::Held;
use crate::store::Stamp;

/// The time: in a durable function that of the last outcome it took (at first, of its start), the same on every
/// replay; elsewhere the wall clock.
///
/// ```no_run
/// # use outlast::prelude::*;
/// #[durable]
/// async fn stamped() -> Result<String> {
///     Ok(outlast::now().to_string())
/// }
/// ```
pub fn now() -> Timestamp {
    let stamp = match context::current() {
        Some(Context::Execution(execution)) => execution.now(),
        Some(Context::Body(_) | Context::Transaction(_) | Context::Plain(_) | Context::Dropping) | None => Stamp::now(),
    };
    stamp.into()
}

impl From<Stamp> for Timestamp {
    /// A stamp beyond jiff's years is its last moment.
    fn from(stamp: Stamp) -> Self {
        Timestamp::from_millisecond(stamp.0).unwrap_or(Timestamp::MAX)
    }
}

/// 16 random bytes: in a durable function drawn from its seed, the same on every replay.
fn draw() -> [u8; 16] {
    match context::current() {
        Some(Context::Execution(execution)) => drawn(&execution),
        Some(Context::Body(_) | Context::Transaction(_) | Context::Plain(_) | Context::Dropping) | None => {
            super::random::bytes()
        }
    }
}

fn drawn(execution: &Execution) -> [u8; 16] {
    let mut state = execution.state.held();
    let draw = state.draws;
    state.draws += 1;
    let mut hasher = SipHasher24::new_with_keys(execution.seed, !execution.seed);
    hasher.write_u64(draw);
    hasher.finish128().as_bytes()
}

/// Types that [`random`] can draw.
pub trait Random: Sized {
    #[doc(hidden)]
    fn from_bytes(bytes: [u8; 16]) -> Self;
}

macro_rules! random_numbers {
    ($($number:ty),*) => {$(
        impl Random for $number {
            fn from_bytes(bytes: [u8; 16]) -> Self {
                u128::from_le_bytes(bytes) as $number
            }
        }
    )*};
}

random_numbers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl Random for bool {
    fn from_bytes(bytes: [u8; 16]) -> Self {
        bytes[0] & 1 == 1
    }
}

impl Random for f64 {
    /// From 0 up to, but not including, 1.
    fn from_bytes(bytes: [u8; 16]) -> Self {
        (u64::from_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Random for f32 {
    /// From 0 up to, but not including, 1.
    fn from_bytes(bytes: [u8; 16]) -> Self {
        (u32::from_bytes(bytes) >> 8) as f32 / (1_u32 << 24) as f32
    }
}

/// A random value: in a durable function drawn from its seed, the same on every replay. Not for secrets.
///
/// ```
/// let die = outlast::random::<u8>() % 6 + 1;
/// assert!((1..=6).contains(&die));
/// ```
pub fn random<T: Random>() -> T {
    T::from_bytes(draw())
}

/// A random UUID (version 4): in a durable function drawn from its seed, the same on every replay.
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(draw()).into_uuid()
}

/// The key of the step that is running: the same over retries, replay, crashes and restores; made for the header that
/// payment providers ask for.
///
/// # Panics
/// Outside a step or transaction there is nothing that it could be the key of. A step that panics fails like any other.
pub fn idempotency_key() -> String {
    match context::current() {
        Some(Context::Body(scope) | Context::Transaction(scope)) => scope.idempotency_key(),
        Some(Context::Plain(scope)) => scope.idempotency_key.clone(),
        Some(Context::Execution(_) | Context::Dropping) | None => {
            misuse("`idempotency_key` was called outside a step: call it in the step's body, not in a task it spawns")
        }
    }
}

/// A dependency given to [`App::state`](crate::App::state).
///
/// # Panics
/// If no value of this type was given, or no app is running. A step that panics fails like any other.
pub fn state<T: Any + Send + Sync>() -> Arc<T> {
    let engine = match context::current() {
        Some(Context::Execution(execution)) => Some(execution.engine.clone()),
        Some(Context::Body(scope) | Context::Transaction(scope)) => Some(scope.engine.clone()),
        Some(Context::Plain(_) | Context::Dropping) | None => super::running::current().ok(),
    };
    let name = std::any::type_name::<T>();
    let Some(engine) = engine else { misuse(&format!("`state::<{name}>` was called, but no app is running")) };
    match engine.states.get::<T>() {
        Some(state) => state,
        None => misuse(&format!("no state of type `{name}`: give it to the app with `App::state(…)`")),
    }
}

#[allow(clippy::panic, reason = "a plain call can't give an error: it is a step's failure, or parks the execution")]
fn misuse(message: &str) -> ! {
    panic!("{message}")
}
