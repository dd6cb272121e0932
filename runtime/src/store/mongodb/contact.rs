//! Since when this handle has had the server before it without a break. After one, all leases look run out at once, those
//! of workers that were cut off with us too: they get time to renew before anybody is taken for dead.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When the server last answered, and when it last came back.
#[derive(Debug, Default)]
pub(super) struct Contact(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    answered: Option<Instant>,
    back: Option<Instant>,
}

impl Contact {
    /// The server has answered. As long as a lease without an answer is a break: of the line, of the server, or of this
    /// process.
    pub(super) fn answered(&self, lease: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if times.answered.is_some_and(|answered| now - answered > lease) {
            times.back = Some(now);
        }
        times.answered = Some(now);
    }

    /// Whether everybody had time to renew since the last break.
    pub(super) fn is_settled(&self, lease: Duration) -> bool {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.back.is_none_or(|back| back.elapsed() > lease / 2)
    }
}
