//! Stub.
use std::future::Future;
use std::process::ExitCode;

pub(crate) fn main<E, Fut>(_worker_threads: Option<usize>, _main: impl FnOnce() -> Fut) -> ExitCode
where
    Fut: Future<Output = std::result::Result<(), E>>,
    E: Into<crate::Error>,
{
    ExitCode::SUCCESS
}
