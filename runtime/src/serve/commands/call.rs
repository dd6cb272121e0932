//! `call`: calls a function by name, and runs it here unless it is only to be recorded.

use serde::Serialize;
use serde_json::Value as Json;

use super::{json_argument, signature};
use crate::app::{App, CallOptions, Running};
use crate::error::{Error, ErrorKind, Result};
use crate::serve::command_line::Call;
use crate::serve::interrupts::Interrupts;
use crate::serve::output::{Done, Output, note};
use crate::serve::shapes::Failure;
use crate::store::Status;

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    function: &'a str,
    status: &'static str,
    result: Option<Json>,
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Recorded<'a> {
    id: &'a str,
    function: &'a str,
    detached: bool,
}

pub(crate) async fn run(app: App, call: Call, output: &mut Output) -> Done {
    let arguments = json_argument(call.json.clone())?;
    if call.detach {
        let running = app.caller_only().start().await?;
        let id = start(&running, &call, arguments).await;
        running.shutdown().await;
        let id = id?;
        let recorded = Recorded { id: &id, function: &call.function, detached: true };
        return if output.json { output.answer(&recorded) } else { output.raw(format!("{id}\n").as_bytes()) };
    }
    let mut interrupts = Interrupts::listen()?;
    let running = tokio::select! {
        running = app.start() => running?,
        interrupt = interrupts.next() => interrupt.end_process(),
    };
    let done = tokio::select! {
        done = start_and_wait(&running, &call, arguments) => done,
        interrupt = interrupts.next() => {
            tokio::select! {
                () = running.shutdown() => {}
                again = interrupts.next() => again.end_process(),
            }
            note(&format!(
                "{}: what was recorded isn't lost, and goes on with `{} serve`",
                interrupt.name(),
                output.program
            ));
            interrupt.end_process()
        }
    };
    tokio::select! {
        () = running.shutdown() => {}
        interrupt = interrupts.next() => interrupt.end_process(),
    }
    let (id, result, way) = done?;
    answer(&call.function, &id, result, way, output)
}

/// What became of an execution whose caller has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// An error is its function's own.
    Ended,
    Parked,
    /// Nobody knows: the store is away, say.
    Unknown,
}

/// Its id, its result, and what became of it.
async fn start_and_wait(
    running: &Running,
    call: &Call,
    arguments: Option<Json>,
) -> Result<(String, Result<Json>, Way)> {
    let id = start(running, call, arguments).await?;
    let execution = running.execution(id.as_str());
    let result = execution.result().await;
    let way = match &result {
        Ok(_) => Way::Ended,
        Err(_) => match execution.details().await {
            Ok(details) if details.result().is_some() => Way::Ended,
            Ok(details) if details.status() == Status::Parked => Way::Parked,
            Ok(_) | Err(_) => Way::Unknown,
        },
    };
    Ok((id, result, way))
}

/// Starts it; a mistake in the arguments is told with what the function takes.
async fn start(running: &Running, call: &Call, arguments: Option<Json>) -> Result<String> {
    let options = CallOptions { id: call.id.as_deref(), after: call.after, timeout: call.timeout };
    options.check()?;
    let given = arguments.is_some();
    let started = running.call_with(&call.function, arguments.unwrap_or_default(), options).await;
    match started {
        Ok(handle) => Ok(handle.id().to_owned()),
        Err(error) if error.kind() == ErrorKind::Invalid => Err(match running.function(&call.function) {
            Some(function) if given => error.context(format!("the arguments don't fit `{}`", signature(function))),
            Some(function) if !function.arguments.is_empty() => {
                error.context(format!("`{}` is called without arguments", signature(function)))
            }
            Some(_) | None => error,
        }),
        Err(error) => Err(error),
    }
}

fn answer(function: &str, id: &str, result: Result<Json>, way: Way, output: &mut Output) -> Done {
    if output.json {
        let (status, value, error) = match &result {
            Ok(value) => ("succeeded", Some(value.clone()), None),
            Err(error) if way == Way::Parked => ("parked", None, Some(Failure::of(error))),
            Err(error) => (status_of(error), None, Some(Failure::of(error))),
        };
        output.answer(&Answer { id, function, status, result: value, error })?;
    }
    match result {
        Ok(_) if output.json => Ok(()),
        Ok(value) => output.answer(&value),
        Err(error) => {
            note(&format!("`{} show {id}` tells what happened", output.program));
            // Whatever the function failed with, for a script that is a failed function, and never its own mistake.
            let kind = match way {
                Way::Ended => ErrorKind::Failed,
                Way::Parked => ErrorKind::Parked,
                Way::Unknown => error.kind(),
            };
            Err(error.with_kind(kind).into())
        }
    }
}

fn status_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Parked | ErrorKind::Diverged | ErrorKind::NotDurable => "parked",
        ErrorKind::Failed
        | ErrorKind::Exhausted
        | ErrorKind::Timeout
        | ErrorKind::Panicked
        | ErrorKind::Interrupted
        | ErrorKind::TooLarge
        | ErrorKind::NotRecordable
        | ErrorKind::Misplaced
        | ErrorKind::Conflict
        | ErrorKind::Expired
        | ErrorKind::NotFound
        | ErrorKind::Unavailable
        | ErrorKind::Damaged
        | ErrorKind::Invalid
        | ErrorKind::Unsupported => "failed",
    }
}
