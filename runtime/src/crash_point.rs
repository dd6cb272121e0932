//! Named points at which a test stops this process, so that it can be killed exactly there. Never in production: the
//! room is behind the feature `crash-points`.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;

struct Setting {
    /// The point to stop at.
    point: Option<String>,
    /// Where the stop is announced.
    file: Option<String>,
    /// Where every point is noted as it is reached.
    log: Option<String>,
}

fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(|| Setting {
        point: std::env::var("OUTLAST_CRASH_POINT").ok(),
        file: std::env::var("OUTLAST_CRASH_FILE").ok(),
        log: std::env::var("OUTLAST_CRASH_LOG").ok(),
    })
}

/// A point is reached: noted, and the thread stops here for ever if it is the one that was asked for.
pub(crate) fn reach(point: &str) {
    let setting = setting();
    if let Some(log) = &setting.log {
        note(log, point);
    }
    if setting.point.as_deref() == Some(point) {
        if let Some(file) = &setting.file {
            note(file, point);
        }
        loop {
            std::thread::park();
        }
    }
}

fn note(file: &str, point: &str) {
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| {
        file.write_all(format!("{point}\n").as_bytes())?;
        file.sync_all()
    });
    if let Err(error) = written {
        tracing::error!(%error, "a crash point can't be noted");
    }
}
