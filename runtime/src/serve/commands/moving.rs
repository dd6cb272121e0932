//! `export` and `import`: a whole store into a file, and into an empty store.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::App;
use crate::archive::{self, Moved};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::serve::output::{Done, Output, note};
use crate::serve::text::{Line, Style};

pub(crate) async fn export(app: App, to: &str, output: &mut Output) -> Done {
    if to == "-" && io::stdout().is_terminal() {
        return Err(Error::of(ErrorKind::Invalid, "an export is no text: name a file, or write to a pipe").into());
    }
    let store = app.bare_store(true).await?;
    let bar = bar("exported");
    let moved = if to == "-" {
        archive::export(&*store, io::stdout(), |done, total| shown(&bar, done, total)).await
    } else {
        to_file(Path::new(to), async |file| {
            archive::export(&*store, file, |done, total| shown(&bar, done, total)).await
        })
        .await
    };
    store.close().await;
    bar.finish_and_clear();
    let moved = moved?;
    if moved.owned > 0 {
        note(&format!(
            "{} executions are being run by a worker: stop it before the copy goes on with them, or both will",
            moved.owned
        ));
    }
    if to == "-" {
        note(&words("exported", &moved));
        return Ok(());
    }
    answer("exported", &moved, output)
}

pub(crate) async fn import(app: App, from: &str, output: &mut Output) -> Done {
    let input: Box<dyn Read + Send> = if from == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(from).map_err(|error| {
            let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Invalid };
            Error::from(error).with_kind(kind).context(format!("{from} can't be read"))
        })?;
        Box::new(file)
    };
    let store = app.bare_store(false).await?;
    let bar = bar("imported");
    let moved = archive::import(&*store, input, |done, total| shown(&bar, done, total)).await;
    store.close().await;
    bar.finish_and_clear();
    answer("imported", &moved?, output)
}

/// Writes beside the file, which is there once it is whole; it holds secrets, and is its owner's alone.
async fn to_file<F>(path: &Path, write: F) -> Result<Moved>
where
    F: AsyncFnOnce(&File) -> Result<Moved>,
{
    if path.exists() {
        let message = format!("{} is there already: name another file, or remove it", path.display());
        return Err(Error::of(ErrorKind::Conflict, message));
    }
    let part = PathBuf::from(format!("{}.part", path.display()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let cannot = || format!("{} can't be written", path.display());
    let file = options.open(&part).context(cannot())?;
    let written = match write(&file).await {
        Ok(moved) => file.sync_all().and_then(|()| std::fs::rename(&part, path)).map(|()| moved).context(cannot()),
        Err(error) => Err(error),
    };
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// On a terminal alone.
fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} {human_pos} of {human_len} {wide_bar} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}

fn shown(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total.max(done));
    bar.set_position(done);
}

fn words(what: &str, moved: &Moved) -> String {
    format!(
        "{what}: {} documents of {} collections, {} executions with {} rows, {} that were purged",
        moved.documents, moved.collections, moved.executions, moved.rows, moved.tombstones
    )
}

fn answer(what: &str, moved: &Moved, output: &mut Output) -> Done {
    if output.json { output.answer(moved) } else { output.line(&Line::new().with(Style::Plain, words(what, moved))) }
}
