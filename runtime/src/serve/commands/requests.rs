//! `cancel`, `resume`, `signal`: what is asked of an execution.

use serde::Serialize;

use super::{json_argument, looking};
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::serve::output::{Done, Output};
use crate::serve::text::{Line, Style};

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    asked: &'static str,
}

pub(crate) async fn cancel(app: App, id: &str, reason: &str, output: &mut Output) -> Done {
    looking(app, async |running| running.execution(id).cancel(reason).await).await?;
    told(id, "cancel", &format!("`{id}` was asked to end"), output)
}

pub(crate) async fn resume(app: App, id: &str, output: &mut Output) -> Done {
    looking(app, async |running| {
        let execution = running.execution(id);
        // Read first: an id that doesn't exist is another mistake than one that can't be resumed.
        let before = execution.details().await?;
        if execution.resume().await? {
            return Ok(());
        }
        let status = before.status().name();
        Err(Error::of(ErrorKind::Conflict, format!("`{id}` is {status}: only what is parked or waits can be made due")))
    })
    .await?;
    told(id, "resume", &format!("`{id}` is due"), output)
}

pub(crate) async fn signal(app: App, id: &str, name: &str, json: Option<String>, output: &mut Output) -> Done {
    let payload = json_argument(json)?.unwrap_or_default();
    looking(app, async |running| running.execution(id).signal(name, &payload).await).await?;
    told(id, "signal", &format!("`{name}` was sent to `{id}`"), output)
}

fn told(id: &str, asked: &'static str, words: &str, output: &mut Output) -> Done {
    if output.json { output.answer(&Answer { id, asked }) } else { output.line(&Line::new().with(Style::Plain, words)) }
}
