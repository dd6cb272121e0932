//! From a URI to clients: whom to ask, with which concerns, and which servers are refused.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::error::ErrorKind as DriverKind;
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria,
    ServerMonitoringMode, WriteConcern,
};
use mongodb::{Client, Database};

use super::concerns;
use super::failure::{Failure, words};
use super::options::MongoOptions;
use super::relay::Relay;
use crate::error::{Error, ErrorKind, Result};

/// The database where the URI names none.
const DATABASE: &str = "outlast";
/// The oldest wire version that is accepted: MongoDB 6.0's.
const OLDEST: i32 = 17;

/// What must not be shown: parts of the URI.
#[derive(Debug, Clone, Default)]
pub(super) struct Redaction(Vec<String>);

impl Redaction {
    fn of(uri: &str, password: Option<&str>) -> Self {
        let mut secrets = Vec::new();
        let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        // A password with a bare slash or mark in it makes no valid URI, and must not be shown for it either.
        for part in [authority, rest] {
            if let Some((user, _)) = part.rsplit_once('@') {
                secrets.push(user.to_owned());
                secrets.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
            }
        }
        secrets.extend(password.map(str::to_owned));
        secrets.retain(|secret| !secret.is_empty());
        // The longest first: one may be within another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "•••"))
    }
}

/// The URI as it may be shown: without user, password and parameters.
fn shown(uri: &str) -> String {
    let cleaned = Redaction::of(uri, None).clean(uri);
    cleaned.split('?').next().unwrap_or_default().to_owned()
}

/// The error of a store that says nothing.
pub(super) fn too_late(options: &MongoOptions) -> Error {
    Failure::Unreachable(format!("no answer within {:?}", options.limit)).error(&shown(&options.uri))
}

/// A server that can be asked.
pub(super) struct Connected {
    pub(super) client: Client,
    /// For what work mustn't hold up: leases and the change stream.
    pub(super) aside: Client,
    /// For outlast's own collections.
    pub(super) own: Database,
    /// For the application's: as the URI says.
    pub(super) plain: Database,
    #[cfg(test)]
    pub(super) options: ClientOptions,
    /// What the clients connect through.
    pub(super) relay: Option<Relay>,
    /// One member is asked, and no other.
    direct: bool,
    pub(super) redaction: Redaction,
    /// The URI as it may be shown.
    shown: String,
    /// Its name in messages.
    pub(super) name: String,
}

/// outlast's own writes are on most members' disks before they count, whatever the URI says.
fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

/// The options of transactions.
pub(super) fn transaction_options() -> mongodb::options::TransactionOptions {
    mongodb::options::TransactionOptions::builder()
        .read_concern(ReadConcern::snapshot())
        .write_concern(durable())
        .selection_criteria(primary())
        .build()
}

/// The options of a database as a snapshot session reads it: the driver keeps a concern that is there, whatever session
/// the command is of.
pub(super) fn snapshot_options() -> DatabaseOptions {
    DatabaseOptions::builder().read_concern(ReadConcern::snapshot()).selection_criteria(primary()).build()
}

/// Makes the clients of a URI.
pub(super) async fn connect(options: &MongoOptions) -> Result<Connected> {
    let shown = shown(&options.uri);
    let parsed = tokio::time::timeout(options.limit, ClientOptions::parse(&options.uri)).await;
    let mut client_options = match parsed {
        Err(_) => {
            let text = "its addresses weren't found in time (DNS)".into();
            return Err(Failure::Unreachable(text).error(&shown));
        }
        Ok(Err(error)) if matches!(*error.kind, DriverKind::DnsResolve { .. }) => {
            let text = Redaction::of(&options.uri, None).clean(&words(&error));
            return Err(Failure::Unreachable(format!("its addresses weren't found (DNS): {text}")).error(&shown));
        }
        Ok(Err(error)) => {
            let text = Redaction::of(&options.uri, None).clean(&words(&error));
            return Err(Error::of(ErrorKind::Invalid, format!("the store `{shown}` isn't a URL of MongoDB: {text}")));
        }
        Ok(Ok(parsed)) => parsed,
    };
    let password = client_options.credential.as_ref().and_then(|credential| credential.password.as_deref());
    let redaction = Redaction::of(&options.uri, password);
    let named = options.database.clone().or_else(|| client_options.default_database.clone());
    let database = named.unwrap_or_else(|| DATABASE.to_owned());
    check_database(&database)?;
    concerns::check(&client_options)?;
    if client_options.socks5_proxy.is_some() {
        let text = "`proxyHost` in OUTLAST_STORE: outlast reaches MongoDB without a proxy; leave it out";
        return Err(Error::of(ErrorKind::Unsupported, text));
    }
    let plain = DatabaseOptions::builder()
        .read_concern(client_options.read_concern.clone())
        .write_concern(client_options.write_concern.clone())
        .selection_criteria(client_options.selection_criteria.clone())
        .build();
    adjust(&mut client_options, options);
    let relay = Relay::for_clients(&client_options).await.map_err(|error| {
        Failure::Unreachable(format!("no port of 127.0.0.1 can be had, through which connections go: {error}"))
            .error(&shown)
    })?;
    if let Some(relay) = &relay {
        client_options.socks5_proxy = Some(relay.as_proxy());
    }
    let failed = |error: mongodb::error::Error| Failure::of(&error, &redaction).error(&shown);
    let client = Client::with_options(heard(&client_options, options)).map_err(failed)?;
    let aside = Client::with_options(aside(&client_options)).map_err(failed)?;
    let own = client.database(&database);
    let plain = client.database_with_options(&database, plain);
    let name = format!("{shown} (database {database})");
    Ok(Connected {
        client,
        aside,
        own,
        plain,
        relay,
        direct: client_options.direct_connection == Some(true),
        #[cfg(test)]
        options: client_options,
        redaction,
        shown,
        name,
    })
}

impl Connected {
    /// Asks the server what it is: whether it can be used.
    pub(super) async fn check(&self, options: &MongoOptions) -> Result<()> {
        let hello = self.own.run_command(doc! { "hello": 1 }).await;
        let hello = hello.map_err(|error| Failure::of(&error, &self.redaction).error(&self.shown))?;
        check_server(&hello, &self.shown)?;
        concerns::check_members(&self.plain, self.direct, &hello)?;
        if options.make {
            concerns::try_out(&self.plain, options.limit).await?;
        }
        Ok(())
    }
}

/// Ends what the driver does in the background: it panics where its threads end first.
pub(super) async fn quit(client: &Client, aside: &Client) {
    for client in [client, aside] {
        let end = client.clone().shutdown().immediate(true);
        let _ = tokio::time::timeout(Duration::from_secs(1), end.into_future()).await;
    }
}

/// The options of the store's main client: a test may hear its commands.
#[cfg_attr(not(test), allow(unused_variables, reason = "nobody hears"))]
fn heard(client: &ClientOptions, options: &MongoOptions) -> ClientOptions {
    #[cfg_attr(not(test), allow(unused_mut, reason = "nobody hears"))]
    let mut client = client.clone();
    #[cfg(test)]
    if let Some(heard) = options.heard.clone() {
        client.command_event_handler = Some(mongodb::event::EventHandler::callback(move |event| heard.hear(&event)));
    }
    client
}

/// One connection for the leases, one for the change stream.
const ASIDE: u32 = 2;

fn aside(client: &ClientOptions) -> ClientOptions {
    let mut aside = client.clone();
    aside.min_pool_size = None;
    aside.max_pool_size = Some(ASIDE);
    aside
}

fn adjust(client: &mut ClientOptions, options: &MongoOptions) {
    client.app_name.get_or_insert_with(|| "outlast".to_owned());
    client.max_pool_size.get_or_insert(options.pool.max(client.min_pool_size.unwrap_or_default()));
    // A monitor that streams holds a second connection to each server, and is soon told of what every command finds out.
    client.server_monitoring_mode.get_or_insert(ServerMonitoringMode::Poll);
    client.server_selection_timeout = Some(options.limit * 4 / 5);
    // Zero is no limit to the driver.
    let connect = client.connect_timeout.filter(|limit| !limit.is_zero()).unwrap_or(options.limit);
    client.connect_timeout = Some(connect.min(options.limit * 4 / 5));
    client.heartbeat_freq.get_or_insert(Duration::from_secs(2));
    client.retry_writes = Some(true);
    client.retry_reads = Some(true);
    #[cfg(test)]
    if let Some(pooled) = options.pooled.clone() {
        let count = move |event| pooled.count(&event);
        client.cmap_event_handler = Some(mongodb::event::EventHandler::callback(count));
    }
    client.write_concern = Some(durable());
    client.read_concern = Some(ReadConcern::majority());
    client.selection_criteria = Some(primary());
}

fn check_database(name: &str) -> Result<()> {
    let odd = |character: char| "/\\. \"$*<>:|?".contains(character) || character.is_control();
    if name.is_empty() || name.len() > 63 || name.contains(odd) || ["admin", "local", "config"].contains(&name) {
        return Err(Error::of(
            ErrorKind::Invalid,
            format!(
                "the database `{name}` can't hold a store: write mongodb://host/shop, with a name of up to 63 letters, \
                 digits, - and _ that isn't one of the server's own"
            ),
        ));
    }
    Ok(())
}

/// Refuses what can't keep a store.
fn check_server(hello: &Document, shown: &str) -> Result<()> {
    let unsupported = |text: String| Err(Error::of(ErrorKind::Unsupported, text));
    let wire = hello.get_i32("maxWireVersion").unwrap_or_default();
    if wire < OLDEST {
        return unsupported(format!(
            "the store {shown} is on a server older than MongoDB 6.0 (wire version {wire}, {OLDEST} is needed): upgrade it"
        ));
    }
    let sharded = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    if !sharded && hello.get_str("setName").is_err() {
        return unsupported(format!(
            "the store {shown} is on a standalone server, which has no transactions: make it a replica set of one \
             (start it with `--replSet rs0`, run `rs.initiate()` once)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        let redaction = Redaction::of("mongodb://ann:p%40ss@one,two/shop", Some("p@ss"));
        let cleaned = redaction.clean("no p@ss for ann:p%40ss@one");
        assert!(!cleaned.contains("p@ss") && !cleaned.contains("p%40ss"), "{cleaned}");
        let odd = Redaction::of("mongodb://ann:pa/ss@one", None).clean("invalid mongodb://ann:pa/ss@one");
        assert!(!odd.contains("pa/ss"), "{odd}");
    }

    #[test]
    fn odd_databases_are_refused() {
        for name in ["", "a b", "a.b", "a$", "a/b", "a\0", "admin", "local", "config", &"x".repeat(64), "a\"b", "a*"] {
            assert_eq!(check_database(name).err().map(|error| error.kind()), Some(ErrorKind::Invalid), "{name:?}");
        }
        assert!(check_database("shop-1_b").is_ok());
    }

    #[test]
    fn only_servers_with_transactions_are_accepted() {
        let kind = |hello: Document| check_server(&hello, "x").err().map(|error| error.kind());
        assert_eq!(kind(doc! { "maxWireVersion": 13, "setName": "rs" }), Some(ErrorKind::Unsupported));
        assert_eq!(kind(doc! { "maxWireVersion": 21 }), Some(ErrorKind::Unsupported));
        assert_eq!(kind(doc! { "maxWireVersion": 21, "setName": "rs" }), None);
        assert_eq!(kind(doc! { "maxWireVersion": 21, "msg": "isdbgrid" }), None);
    }
}
