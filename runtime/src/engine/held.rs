//! Locks that a panic elsewhere doesn't poison: what they guard is consistent between statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) trait Held<T> {
    /// The guard, whatever happened to its last holder.
    fn held(&self) -> MutexGuard<'_, T>;
}

impl<T> Held<T> for Mutex<T> {
    fn held(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
