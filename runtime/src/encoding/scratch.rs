//! A buffer of each thread's own, so that a value is written without growing a new one step by step.

use std::cell::Cell;

/// What is kept between two uses.
const KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, to be given back.
pub(super) fn take() -> Vec<u8> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer
}

/// Gives a buffer back, to this thread.
pub(super) fn give(buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT {
        BUFFER.set(buffer);
    }
}

/// Runs `work` with an empty buffer. A `Serialize` that encodes something itself finds another one.
pub(super) fn within<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = take();
    let worked = work(&mut buffer);
    give(buffer);
    worked
}
