//! Ctrl-C and SIGTERM, as events in their order.

use crate::error::Result;

/// What asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Ctrl-C, or SIGINT from elsewhere.
    Interrupted,
    /// SIGTERM: from a supervisor.
    Terminated,
}

impl Interrupt {
    /// The exit code of a process that the signal ended.
    pub(crate) fn exit_code(self) -> i32 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The signal's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "SIGINT",
            Self::Terminated => "SIGTERM",
        }
    }

    /// Ends the process at once, as the signal would have.
    pub(crate) fn end_process(self) -> ! {
        std::process::exit(self.exit_code())
    }
}

/// Hears the signals from its making on: until then, and for other programs, they end the process.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    interrupted: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
}

impl Interrupts {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.interrupted.recv() => Interrupt::Interrupted,
            _ = self.terminated.recv() => Interrupt::Terminated,
        }
    }

    /// The next one.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Interrupt {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Interrupt::Interrupted,
            Err(_) => std::future::pending().await,
        }
    }
}
