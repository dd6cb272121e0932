//! A buffer of each thread's own, so that a value is written without growing a new one step by step.

use std::cell::Cell;

/// What is kept between two uses.
const KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with an empty buffer. A `Serialize` that encodes something itself finds another one.
pub(super) fn within<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let worked = work(&mut buffer);
    if buffer.capacity() <= KEPT {
        BUFFER.set(buffer);
    }
    worked
}
