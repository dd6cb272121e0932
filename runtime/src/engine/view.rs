//! Recorded bytes as people see them: JSON, secrets as `•••`.

use serde_json::Value as Json;

use crate::encoding;
use crate::function::outcome::read_fault;
use crate::store::Value;

/// Arguments in a message: short, by name.
pub(crate) fn arguments(bytes: &[u8]) -> String {
    match encoding::view(bytes) {
        Ok(Json::Object(map)) if map.is_empty() => "no arguments".to_owned(),
        Ok(json) => shortened(&json.to_string()),
        Err(_) => "no arguments".to_owned(),
    }
}

/// A recorded value as JSON: an error is its message and kind.
pub(crate) fn value(value: &Value) -> Json {
    match value {
        Value::Ok(bytes) | Value::Err(bytes) => encoding::view(bytes).unwrap_or(Json::Null),
        Value::Fault(bytes) => error(&read_fault(bytes)),
    }
}

/// An error as JSON.
pub(crate) fn error(error: &crate::Error) -> Json {
    serde_json::json!({ "kind": error.kind().name(), "message": error.to_string(), "chain": error.messages() })
}

/// The first 200 characters.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
