//! The commands, one file each (small ones together): open what they need, ask, answer.

pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod functions;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod moving;
pub(crate) mod new_key;
pub(crate) mod requests;
pub(crate) mod serve;
pub(crate) mod show;

use std::io::{Read, stdin};

use serde_json::Value as Json;

use crate::app::{App, Running};
use crate::error::{Error, ErrorKind, Result};
use crate::function::spec::Function;

/// What a binary without functions has to be told.
const NOT_LINKED: &str =
    "no durable functions: a crate that is never named isn't linked (write `use my_functions as _;`)";

/// The most that is read from standard input.
const MAX_INPUT: u64 = 64 << 20;

/// Looks into a store without running anything: `look` with its end.
async fn looking<T, E: From<Error>>(app: App, look: impl AsyncFnOnce(&Running) -> Result<T, E>) -> Result<T, E> {
    let running = app.look().await?;
    let result = look(&running).await;
    running.shutdown().await;
    result
}

/// JSON from an argument, or from standard input for `-`; `None` without the argument.
fn json_argument(text: Option<String>) -> Result<Option<Json>> {
    let text = match text.as_deref() {
        None => return Ok(None),
        Some("-") => from_stdin()?,
        Some(text) => text.to_owned(),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let hint = if text.trim_start().starts_with(['{', '[', '"']) { "" } else { " (text is JSON too: '\"ann\"')" };
        Error::of(ErrorKind::Invalid, format!("the argument isn't JSON: {error}{hint}"))
    })
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    let read = stdin().lock().take(MAX_INPUT + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| {
        Error::from(error).with_kind(ErrorKind::Invalid).context("standard input can't be read as text")
    })?;
    if bytes as u64 > MAX_INPUT {
        return Err(Error::of(ErrorKind::Invalid, format!("standard input is over {MAX_INPUT} bytes")));
    }
    Ok(text)
}

/// A function with its arguments, as written: `checkout(order: Order)`.
fn signature(function: &Function) -> String {
    let arguments: Vec<_> =
        function.arguments.iter().map(|argument| format!("{}: {}", argument.name, argument.rust_type)).collect();
    format!("{}({})", function.name, arguments.join(", "))
}
