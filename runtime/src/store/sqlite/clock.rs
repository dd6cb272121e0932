//! Time as the store sees it: the wall clock for stamps, boot time for what must not jump.

use std::sync::Arc;
use std::time::Instant;

use crate::store::Stamp;

/// Where a store gets its time from; tests bring their own.
pub(crate) trait Clock: Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Stamp;
    /// Which boot of the machine this is, and the milliseconds since it, also those spent asleep.
    fn boot(&self) -> Boot;
}

/// A moment that no setting of the clock moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    /// Which boot; empty where the system doesn't say: then it compares with nothing.
    pub(crate) id: Arc<str>,
    /// Milliseconds since it.
    pub(crate) milliseconds: u64,
}

/// The machine's own clocks.
pub(crate) struct SystemClock {
    boot: Arc<str>,
    start: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot: boot.trim().into(), start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Stamp {
        Stamp::now()
    }

    #[cfg(target_os = "linux")]
    fn boot(&self) -> Boot {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let _ = self.start;
        let milliseconds = u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or(0);
        Boot { id: self.boot.clone(), milliseconds }
    }

    #[cfg(not(target_os = "linux"))]
    fn boot(&self) -> Boot {
        Boot {
            id: self.boot.clone(),
            milliseconds: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}
