//! Claims between their commit and the worker that asked for them.

use std::sync::Arc;

use super::shared::{Shared, closed};
use crate::error::Result;
use crate::store::{Epoch, ExecutionId};

/// Claims on their way to the caller. Dropped on the way, they are released: no worker knows of them.
pub(super) struct Handover<T> {
    pub(super) value: Option<T>,
    pub(super) claims: Vec<(ExecutionId, Epoch)>,
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
        self.shared.give_back(std::mem::take(&mut self.claims));
    }
}
