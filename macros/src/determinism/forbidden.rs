//! Paths that can't be right in a durable body, and what to write instead.

pub(super) const BARE_SELECT: &str = "which `select!` this is can't be seen here: write `tokio::select!`, \
     whose branches are then tried in written order, or `outlast::select!`";
pub(super) const IMPORTED_SELECT: &str = "a durable function writes the path where it is used: `tokio::select!`, \
     whose branches are then tried in written order";
pub(super) const FUTURES_SELECT: &str =
    "`futures::select!` tries its branches by lot, and a replay would draw again: write `futures::select_biased!`";

const SLEEP: &str = "this timer is not in the record: write `outlast::sleep(\"10s\").await?`";
const TIMEOUT: &str = "this timer is not in the record: race `outlast::sleep(\"10s\")` in a `tokio::select!`, \
     or give the step a `timeout`";
const INTERVAL: &str = "this timer is not in the record: write a loop with `outlast::sleep(\"10s\").await?`";
const SPAWN: &str = "a spawned task is not part of the record: await it here, with `tokio::join!` beside others, \
     or make it a step";
const THREAD: &str = "another thread is not part of the record: do its work in a step";
const CLOCK: &str = "the clock tells a replay another time: write `outlast::now()`, or read it in a step";
const RANDOM: &str = "a replay would draw another value: write `outlast::random()`, or draw it in a step";
const UUID: &str = "a replay would draw another value: write `outlast::uuid()`, or draw it in a step";

/// What to write instead of this path, if it is one of them.
pub(super) fn instead(path: &[&str]) -> Option<&'static str> {
    Some(match path {
        ["tokio", "time", "sleep" | "sleep_until"] | ["std", "thread", "sleep"] | ["thread", "sleep"] => SLEEP,
        ["tokio", "time", "timeout" | "timeout_at"] => TIMEOUT,
        ["tokio", "time", "interval" | "interval_at"] => INTERVAL,
        ["tokio", "spawn"] | ["tokio", "task", "spawn" | "spawn_local"] => SPAWN,
        ["tokio", "task", "spawn_blocking"] | ["std", "thread", "spawn"] | ["thread", "spawn"] => THREAD,
        ["SystemTime" | "Instant", "now"]
        | ["time", "SystemTime" | "Instant", "now"]
        | ["std" | "tokio", "time", "SystemTime" | "Instant", "now"]
        | ["chrono", "Utc" | "Local", "now"]
        | ["jiff", "Timestamp" | "Zoned", "now"] => CLOCK,
        ["rand", "random" | "rng" | "thread_rng"] => RANDOM,
        ["Uuid", "new_v4" | "now_v7"] | ["uuid", "Uuid", "new_v4" | "now_v7"] => UUID,
        _ => return None,
    })
}
