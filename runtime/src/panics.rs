//! Panics of the user's code, as words. What a panic carries, and what it leaves behind, may panic again when it is
//! dropped: that must never reach a lane, a body's task or the writer.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code of the user's; a panic comes back as its words.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(words)
}

/// What a panic said; what it carries is dropped.
fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let words = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned();
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // It would go on for ever: this one is left where it is.
        std::mem::forget(again);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn what_a_panic_carries_may_panic_too() {
        assert_eq!(caught(|| std::panic::panic_any(PanicsWhenDropped)), Err::<(), _>("no message".to_owned()));
        assert_eq!(caught(|| panic!("{}", "aloud")), Err::<(), _>("aloud".to_owned()));
    }
}
