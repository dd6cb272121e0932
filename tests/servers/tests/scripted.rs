//! What a driver makes of servers that can't be had otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::time::Duration;

use bson::{Document, doc};
use mongodb::Client;
use mongodb::error::ErrorKind;
use mongodb::options::ClientOptions;
use outlast_test_servers::{Command, ScriptedServer, failure};

fn nothing(_: &Command) -> Document {
    failure(59, "CommandNotFound", &[])
}

async fn client(uri: &str) -> Client {
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.server_selection_timeout = Some(Duration::from_millis(500));
    Client::with_options(options).unwrap()
}

#[tokio::test]
async fn a_closure_answers_commands() {
    let answer = |command: &Command| match command.name.as_str() {
        "count" => doc! { "ok": 1.0, "n": 42 },
        _ => nothing(command),
    };
    let server = ScriptedServer::start(ScriptedServer::primary(), answer).await.unwrap();
    let database = client(&server.uri()).await.database("d");
    assert_eq!(database.run_command(doc! { "count": "c" }).await.unwrap().get_i32("n").unwrap(), 42);
    database.run_command(doc! { "ping": 1 }).await.unwrap();
    let hello = database.run_command(doc! { "hello": 1 }).await.unwrap();
    assert_eq!(hello.get_str("primary").unwrap(), server.address().to_string());
    let error = database.run_command(doc! { "other": 1 }).await.unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::Command(error) if error.code == 59), "{error:?}");
}

#[tokio::test]
async fn a_server_by_itself_has_no_set() {
    let mut hello = ScriptedServer::primary();
    hello.remove("setName");
    let server = ScriptedServer::start(hello, nothing).await.unwrap();
    let hello = client(&server.uri()).await.database("d").run_command(doc! { "hello": 1 }).await.unwrap();
    assert!(!hello.contains_key("setName") && !hello.contains_key("hosts"));
    assert!(hello.contains_key("localTime"));
}

#[tokio::test]
async fn an_old_server_is_refused_by_the_driver() {
    let mut hello = ScriptedServer::primary();
    hello.insert("maxWireVersion", 6);
    let server = ScriptedServer::start(hello, nothing).await.unwrap();
    let error = client(&server.uri()).await.database("d").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(error.to_string().contains("wire version 6"), "{error}");
}

#[tokio::test]
async fn a_server_without_sessions_gives_none() {
    let mut hello = ScriptedServer::primary();
    hello.remove("logicalSessionTimeoutMinutes");
    let server = ScriptedServer::start(hello, nothing).await.unwrap();
    let client = client(&server.uri()).await;
    client.database("d").run_command(doc! { "ping": 1 }).await.unwrap();
    let mut session = client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let error = client.database("d").run_command(doc! { "ping": 1 }).session(&mut session).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::SessionsNotSupported), "{error:?}");
}

#[tokio::test]
async fn who_is_not_known_is_not_let_in() {
    let answer = |_: &Command| failure(18, "AuthenticationFailed", &[]);
    let server = ScriptedServer::start(ScriptedServer::primary(), answer).await.unwrap();
    let uri = format!("mongodb://name:password@{}/?directConnection=true", server.address());
    let error = client(&uri).await.database("d").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Authentication { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_never_found() {
    let server = ScriptedServer::silent().await.unwrap();
    let error = client(&server.uri()).await.database("d").run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::ServerSelection { .. }), "{error:?}");
}
