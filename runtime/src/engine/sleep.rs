//! Durable sleep: holds no process.

use std::time::Duration;

use super::context::{self, Context};
use super::held::Held;
use super::launch::Launch;
use super::operation::{Operation, Placed, misplaced};
use super::state::Taken;
use crate::duration::IntoDuration;
use crate::encoding::{self, MapWriter};
use crate::error::Result;
use crate::store::Kind;

/// Sleeps for so long, counted from [`now`](crate::now) at the call; whatever happens to the process meanwhile.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[durable]
/// async fn remind(name: String) -> Result<()> {
///     outlast::sleep("24h").await?;
///     Ok(())
/// }
/// ```
pub fn sleep(duration: impl IntoDuration) -> Operation<Result<()>> {
    let duration = match duration.into_duration() {
        Ok(duration) => duration,
        Err(error) => return Operation::ready(Err(error)),
    };
    match context::current() {
        Some(Context::Execution(execution)) => {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let digest = execution.engine.digest(Kind::Sleep, ".sleep", &[&millis.to_le_bytes()]);
            let due = execution.state.held().now;
            let launch = Launch::Timer(due.after(duration));
            let placed =
                Placed::new(&execution, Kind::Sleep, ".sleep".into(), digest, shown("duration", duration), || launch);
            Operation::placed(placed, |taken| match taken {
                Ok(Taken::Value(_) | Taken::Arrival(_)) => Ok(()),
                Err(error) => Err(error),
            })
        }
        Some(Context::Plain(_)) => Operation::ready(Ok(())),
        other => Operation::ready(Err(misplaced("`sleep`", other.as_ref()))),
    }
}

/// A duration as the argument of a timeline.
pub(crate) fn shown(name: &str, duration: Duration) -> Vec<u8> {
    let mut map = MapWriter::default();
    if let Ok(text) = encoding::encode(&format!("{duration:?}")) {
        map.add(name, text);
    }
    map.finish()
}
