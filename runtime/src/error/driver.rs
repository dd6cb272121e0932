//! Errors of MongoDB's driver: what they are about, their codes and labels, and their words.

use std::error::Error as StdError;

use bson::{Bson, Document};
use mongodb::error::{Error as DriverError, ErrorKind as DriverKind, WriteFailure};

use super::{DataFailure, Error, ErrorKind};

/// MongoDB's code for what has no other.
pub(crate) const BAD_VALUE: i32 = 2;

/// What is known of an error: its kind, its code, its labels, and what the server says beside its words.
pub(crate) fn known(error: &DriverError) -> (ErrorKind, DataFailure) {
    let (kind, code) = match (code(error), &*error.kind) {
        (Some(code), _) => (kind_of(code), Some(code)),
        // Refused before it was sent.
        (None, DriverKind::InvalidArgument { message, .. }) if message.contains("bytes") => {
            (ErrorKind::TooLarge, Some(10_334))
        }
        (None, DriverKind::InvalidArgument { .. } | DriverKind::BsonSerialization(_) | DriverKind::Bson(_)) => {
            (ErrorKind::Invalid, Some(BAD_VALUE))
        }
        (None, DriverKind::Custom(_)) => (ErrorKind::Failed, None),
        (None, _) => (ErrorKind::Unavailable, None),
    };
    let mut labels: Vec<String> = error.labels().iter().cloned().collect();
    labels.sort();
    (kind, DataFailure { code, labels, details: details(error), ..DataFailure::default() })
}

/// What the server says beside its words: a write that failed says it in its own place of the answer.
fn details(error: &DriverError) -> Option<Document> {
    let answer = error.server_response()?;
    let first = answer.get_array("writeErrors").ok().and_then(|errors| errors.get_document(0).ok());
    let said = first.unwrap_or(answer);
    let named = ["keyPattern", "keyValue", "errInfo"].into_iter();
    let found = named.filter_map(|name| Some((name.to_owned(), Bson::try_from(said.get(name).ok()??).ok()?)));
    let details: Document = found.collect();
    (!details.is_empty()).then_some(details)
}

/// The driver's error in a chain, itself or behind others.
pub(super) fn within<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a DriverError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error for those who work with the driver.
///
/// ```
/// let error: mongodb::error::Error = outlast::Error::new("no stock").into();
/// assert!(error.get_custom::<outlast::Error>().is_some());
/// ```
impl From<Error> for DriverError {
    fn from(error: Error) -> Self {
        Self::custom(error)
    }
}

/// Whether a wait may mend it.
pub(crate) fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout)
}

/// What a code is about.
pub(crate) fn kind_of(code: i32) -> ErrorKind {
    match code {
        // Taken keys; an index of this name with other options.
        11_000 | 11_001 | 12_582 | 85 | 86 => ErrorKind::Conflict,
        // Documents over the limit.
        10_334 | 17_280 | 17_419 | 17_420 => ErrorKind::TooLarge,
        // A collection or an index that isn't there.
        26 | 27 => ErrorKind::NotFound,
        // Time is up on the server.
        50 => ErrorKind::Timeout,
        // Unknown commands, stages and operators.
        59 | 115 | 168 | 238 | 40_324 => ErrorKind::Unsupported,
        // Elections, shutdowns, networks, locks, conflicts: later it may be done.
        6 | 7 | 13 | 18 | 24 | 46 | 64 | 79 | 89 | 91 | 112 | 134 | 189 | 225 | 244 | 251 | 262 | 317 | 358 | 9001
        | 10_058 | 10_107 | 11_600 | 11_602 | 13_388 | 13_435 | 13_436 => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

/// The server's code, if it is the server that says no.
pub(crate) fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        DriverKind::Command(error) => Some(error.code),
        DriverKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        DriverKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        DriverKind::InsertMany(error) => {
            let first = error.write_errors.as_ref().and_then(|errors| errors.first()).map(|error| error.code);
            first.or_else(|| error.write_concern_error.as_ref().map(|error| error.code))
        }
        _ => None,
    }
}

/// What the driver or the server says, without the driver's own wrapping.
pub(crate) fn words(error: &DriverError) -> String {
    match &*error.kind {
        DriverKind::Command(error) => error.message.clone(),
        DriverKind::Write(WriteFailure::WriteError(error)) => error.message.clone(),
        DriverKind::Write(WriteFailure::WriteConcernError(error)) => error.message.clone(),
        DriverKind::InsertMany(error) => {
            let first = error.write_errors.as_ref().and_then(|errors| errors.first());
            let concern = error.write_concern_error.as_ref();
            let text = first.map(|error| &error.message).or_else(|| concern.map(|error| &error.message));
            text.cloned().unwrap_or_else(|| "an insert failed".into())
        }
        DriverKind::Io(error) => error.to_string(),
        DriverKind::ServerSelection { message, .. } => of_each_server(message).unwrap_or_else(|| message.clone()),
        DriverKind::ProxyConnect { message, .. } => unwrapped(message),
        kind => kind.to_string(),
    }
}

/// What is wrong with each server, out of the driver's words about why it found none: it is said there alone.
fn of_each_server(message: &str) -> Option<String> {
    let servers = message.split("{ Address: ").skip(1).map(|server| {
        let (address, rest) = server.split_once(", Type: ")?;
        let error = rest.split_once("Error: Kind: ").and_then(|(_, error)| error.split_once(", labels: "));
        let said = match (error, rest.split([',', ' ']).next()?) {
            (Some((said, _)), _) => unwrapped(said),
            (None, "Unknown") => "no answer".to_owned(),
            (None, kind) => kind.to_owned(),
        };
        Some(format!("{}: {said}", bracketed(address)))
    });
    let servers = servers.collect::<Option<Vec<_>>>().filter(|servers| !servers.is_empty())?.join("; ");
    Some(match message.split_once("Set Name: ").and_then(|(_, rest)| rest.split([',', ' ']).next()) {
        Some(set) => format!("no primary of the replica set `{set}` was found: {servers}"),
        None => servers,
    })
}

/// An address of IPv6 as it is written in a URI.
fn bracketed(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, port)) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        Some(_) | None => address.to_owned(),
    }
}

/// An error without what the driver puts around it: its kind, and words about the proxy that it takes outlast's relay for.
fn unwrapped(said: &str) -> String {
    let said =
        WRAPPINGS.iter().fold(said, |said, words| said.strip_prefix(words).unwrap_or(said)).trim_end_matches('.');
    // The relay's word for a name without an address.
    if said == "Address type not supported" { "this name has no address (DNS)".to_owned() } else { said.to_owned() }
}

const WRAPPINGS: [&str; 3] =
    ["I/O error: ", "An error occurred when connecting to a proxy host: ", "Error with reply: "];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, servers: &str) -> Option<String> {
        of_each_server(&format!("No available servers. Topology: {{ Type: {kind}, Servers: [ {servers} ] }}"))
    }

    #[test]
    fn each_server_says_what_is_wrong_with_it() {
        let refused = "{ Address: ::1:1, Type: Unknown, Error: Kind: I/O error: Connection refused (os error 111), \
                       labels: {\"RetryableError\"}, source: None, server response: None }";
        let relayed = "{ Address: two:2, Type: Unknown, Error: Kind: An error occurred when connecting to a proxy host: \
                       Error with reply: Address type not supported., labels: {}, source: None, server response: None }";
        let (silent, other) =
            ("{ Address: three:3, Type: Unknown }", "{ Address: four:4, Type: RsSecondary, Average RTT: 3ms }");
        let wanted = "[::1]:1: Connection refused (os error 111); two:2: this name has no address (DNS); three:3: no answer; \
                      four:4: RsSecondary";
        let all = format!("{refused}, {relayed}, {silent}, {other}");
        assert_eq!(of("Unknown", &all).as_deref(), Some(wanted));
        let of_a_set = of("ReplicaSetNoPrimary, Set Name: rs0", other).unwrap();
        assert_eq!(of_a_set, "no primary of the replica set `rs0` was found: four:4: RsSecondary");
        assert_eq!(of("Unknown", ""), None);
    }
}
