//! Claims between their commit and the worker that asked for them.

use std::sync::Arc;

use super::claims::ClaimKey;
use super::queue::Command;
use super::{Shared, closed};
use crate::error::Result;

/// Claims on their way to the caller. Dropped on the way, they are released: no worker knows of them.
pub(super) struct Handover<T> {
    pub(super) value: Option<T>,
    pub(super) claims: Vec<ClaimKey>,
    pub(super) shared: Arc<Shared>,
}

impl<T> Handover<T> {
    /// The worker has them.
    pub(super) fn take(mut self) -> Result<T> {
        self.claims.clear();
        self.value.take().ok_or_else(closed)
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            // A store that is closed gives back what it held in another way: its workers are gone.
            let _ = self.shared.queue.push(Command::Returned(std::mem::take(&mut self.claims)));
        }
    }
}
