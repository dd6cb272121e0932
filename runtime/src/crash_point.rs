//! Named places at which a test lets a process die: `OUTLAST_CRASH_POINT` names one.
//!
//! Only in builds with the feature `crash-points`. The names are `LABEL:before-commit` and `LABEL:after-commit`, where the
//! label says the write: `NAME#ORDINAL` for an operation's outcome, `arrival NAME`, `cancel`, `deadline` for other rows,
//! `attempt NAME#ORDINAL`, `end`, `release`, `park`, `refused` for an owner's write that changed nothing; `create`, `claim`, `inbox signal` (`cancel`, `ended`), `resume`,
//! `register`, `leave`, `sweep`, `data`, `purge` for requests.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

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

/// A place was reached. If it is the one that is asked for, says so in `OUTLAST_CRASH_FILE` and waits to be killed; in any
/// case adds a line to `OUTLAST_CRASH_LOG`.
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
    if let Some(file) = &settings.file
        && let Err(error) = announce(Path::new(file), point)
    {
        tracing::error!(%error, file, "the crash point can't be announced");
    }
    loop {
        std::thread::park();
    }
}

fn append(log: &Path, point: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(log)?.write_all(format!("{point}\n").as_bytes())
}

fn announce(file: &Path, point: &str) -> std::io::Result<()> {
    let mut file = File::create(file)?;
    file.write_all(point.as_bytes())?;
    file.sync_all()
}
