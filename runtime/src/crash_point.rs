//! Named points at which a test stops this process, so that it can be killed exactly there. Never in production: the
//! room is behind the feature `crash-points`.
//!
//! `OUTLAST_CRASH_POINT` names the point. Who reaches it first writes its process id into `OUTLAST_CRASH_FILE` and waits
//! to be killed; processes that come later pass. A file of that name with `.go` behind it lets it go on.
//! `OUTLAST_CRASH_LOG` gets a line for every point that is reached.
//!
//! The names: `NAME#N:before-body` and `:after-body` for the bodies of steps (before alone for transactions), where `N`
//! counts the calls of that kind and name; `LABEL:before-commit` and `:after-commit` for whatever the store's writer
//! commits, before the answer leaves. The label is `NAME#N` for an operation's outcome, `arrival NAME`, `cancel` and
//! `deadline` for other rows, `attempt NAME#N` (`N` counts those of equal arguments), `create FUNCTION`,
//! `claim FUNCTION`, `end FUNCTION`, `release FUNCTION`, `park FUNCTION`, `inbox signal NAME`, `inbox cancel`, `register`,
//! `sweep`, `leave`, `resume`, `watch`, `data`, `purge`.
//!
//! The store in MongoDB, where these take several commands, has more: `claim` (before it knows what it gets),
//! `claim unread`, `end untold FUNCTION`, `inbox untaken`, `inbox untold`, and of a sweep that finds a dead worker
//! `mark`, `fence`, `take back`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

struct Settings {
    point: Option<String>,
    file: Option<String>,
    log: Option<String>,
}

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let read = |name| std::env::var(name).ok();
    SETTINGS.get_or_init(|| Settings {
        point: read("OUTLAST_CRASH_POINT"),
        file: read("OUTLAST_CRASH_FILE"),
        log: read("OUTLAST_CRASH_LOG"),
    })
}

/// Whether anyone asks for points: their names needn't be made if not.
pub(crate) fn is_armed() -> bool {
    settings().point.is_some() || settings().log.is_some()
}

/// A point is reached: noted, and the thread stops here if it is the one that was asked for.
pub(crate) fn reach(point: &str) {
    let settings = settings();
    if let Some(log) = &settings.log
        && let Err(error) = append(Path::new(log), point)
    {
        tracing::error!(%error, log, "the crash log can't be written");
    }
    if settings.point.as_deref() != Some(point) {
        return;
    }
    match settings.file.as_deref().map(|file| announce(Path::new(file))) {
        // Another process, or an earlier thread of this one, has stopped here.
        Some(Err(error)) if error.kind() == ErrorKind::AlreadyExists => return,
        Some(Err(error)) => tracing::error!(%error, "the crash point can't be announced"),
        Some(Ok(())) | None => {}
    }
    let go = settings.file.as_deref().map(|file| format!("{file}.go"));
    while !go.as_deref().is_some_and(|go| Path::new(go).exists()) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn append(log: &Path, point: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(log)?.write_all(format!("{point}\n").as_bytes())
}

fn announce(file: &Path) -> std::io::Result<()> {
    // Created at once whole: who waits for the name may read it.
    let made = file.with_extension(std::process::id().to_string());
    let mut written = File::create(&made)?;
    written.write_all(std::process::id().to_string().as_bytes())?;
    written.sync_all()?;
    std::fs::hard_link(made, file)
}
