//! Each fault of the proxy, as a driver sees it at a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::error::{ErrorKind, Result};
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};
use outlast_test_servers::{Command, Fault, FaultProxy, Mongo, RawClient, Rule, failure};

/// A server, a proxy before it, and a driver before that.
struct Setting {
    mongo: Mongo,
    proxy: FaultProxy,
    /// By way of the proxy.
    through: Collection<Document>,
    /// Past it.
    beside: Collection<Document>,
}

impl Setting {
    async fn new() -> Self {
        Self::retrying(true).await
    }

    async fn retrying(retry: bool) -> Self {
        let mongo = Mongo::start();
        let proxy = FaultProxy::start(mongo.address(), 1).await.unwrap();
        let mut options = ClientOptions::parse(mongo.uri_through(proxy.address())).await.unwrap();
        options.retry_writes = Some(retry);
        options.retry_reads = Some(retry);
        options.server_selection_timeout = Some(Duration::from_secs(5));
        let through = Client::with_options(options).unwrap().database(mongo.name()).collection("c");
        let beside = mongo.database().await.collection("c");
        through.insert_one(doc! { "_id": "first" }).await.unwrap();
        Self { mongo, proxy, through, beside }
    }

    async fn insert(&self, id: &str) -> Result<()> {
        self.through.insert_one(doc! { "_id": id }).await.map(drop)
    }

    async fn is_there(&self, id: &str) -> bool {
        self.beside.find_one(doc! { "_id": id }).await.unwrap().is_some()
    }

    fn on_insert(&self, fault: Fault) {
        self.proxy.add(Rule::new(fault).on("insert").of("c"));
    }
}

fn is_broken_connection(result: Result<()>) -> bool {
    matches!(*result.unwrap_err().kind, ErrorKind::Io(_))
}

#[tokio::test]
async fn a_lost_request_is_not_done() {
    let setting = Setting::retrying(false).await;
    setting.on_insert(Fault::LoseRequest);
    assert!(is_broken_connection(setting.insert("a").await));
    assert!(!setting.is_there("a").await);
    setting.insert("a").await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_is_of_something_done() {
    let setting = Setting::retrying(false).await;
    setting.on_insert(Fault::LoseReply);
    assert!(is_broken_connection(setting.insert("a").await));
    assert!(setting.is_there("a").await);
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_retried_and_done_once() {
    let setting = Setting::new().await;
    setting.proxy.add(Rule::new(Fault::LoseReply).on("update"));
    let updated = setting.through.update_one(doc! { "_id": "first" }, doc! { "$inc": { "n": 1 } }).await.unwrap();
    assert_eq!(updated.modified_count, 1);
    assert_eq!(setting.proxy.commands_of("update", "c"), 2);
    assert_eq!(setting.beside.find_one(doc! {}).await.unwrap(), Some(doc! { "_id": "first", "n": 1 }));
}

#[tokio::test]
async fn the_nth_of_a_collection_is_hit() {
    let setting = Setting::retrying(false).await;
    setting.proxy.add(Rule::new(Fault::LoseRequest).on("insert").of("c").nth(2));
    setting.insert("a").await.unwrap();
    setting.insert("b").await.unwrap_err();
    setting.insert("c").await.unwrap();
    assert_eq!(setting.proxy.hits(), [1]);
    assert_eq!(setting.proxy.commands_of("insert", "c"), 4);
    assert_eq!(setting.proxy.commands_of("insert", "other"), 0);
    assert_eq!(setting.proxy.commands("insert"), 4);
}

/// The second of two replies to a `find` is taken for the next request's, that one's for the next but one's.
async fn comes_twice(fault: Fault) {
    let setting = Setting::new().await;
    setting.proxy.add(Rule::new(fault).on("find"));
    let mut raw = RawClient::connect(setting.proxy.address()).await.unwrap();
    let found = raw.run(&doc! { "find": "c", "$db": setting.mongo.name() }).await.unwrap();
    assert!(found.contains_key("cursor"), "{found}");
    let ping = doc! { "ping": 1, "$db": "admin" };
    assert_eq!(raw.run(&ping).await.unwrap(), found);
    assert!(!raw.run(&ping).await.unwrap().contains_key("cursor"));
}

#[tokio::test]
async fn a_reply_comes_twice() {
    comes_twice(Fault::RepeatReply).await;
}

#[tokio::test]
async fn a_reply_comes_once_more_before_the_next() {
    comes_twice(Fault::RepeatReplyLate).await;
}

/// The driver doesn't look which request a reply answers. When it does, this fails, and the store's relay can go.
#[tokio::test]
async fn the_driver_takes_the_second_of_two_replies_for_the_next_ones() {
    let setting = Setting::new().await;
    setting.proxy.add(Rule::new(Fault::RepeatReply).on("find"));
    let database = setting.through.client().database(setting.mongo.name());
    let find = doc! { "find": "c", "filter": { "_id": "first" } };
    assert!(database.run_command(find).await.unwrap().contains_key("cursor"));
    assert!(database.run_command(doc! { "ping": 1 }).await.unwrap().contains_key("cursor"));
}

#[tokio::test]
async fn a_request_comes_again_by_itself() {
    let setting = Setting::retrying(false).await;
    setting.proxy.add(Rule::new(Fault::Again(Duration::from_millis(100))).on("update"));
    setting.through.update_one(doc! { "_id": "first" }, doc! { "$inc": { "n": 1 } }).await.unwrap();
    let n = || async { setting.beside.find_one(doc! {}).await.unwrap().unwrap().get_i32("n").unwrap() };
    assert_eq!(n().await, 1);
    let begun = Instant::now();
    while n().await < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it didn't come again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(setting.proxy.commands_of("update", "c"), 1);
}

#[tokio::test]
async fn a_request_that_hangs_was_done() {
    let setting = Setting::new().await;
    setting.on_insert(Fault::Hang);
    let waited = tokio::time::timeout(Duration::from_millis(300), setting.insert("a")).await;
    assert!(waited.is_err(), "answered: {waited:?}");
    assert!(setting.is_there("a").await);
    setting.insert("b").await.unwrap();
}

#[tokio::test]
async fn an_answer_of_the_proxys_own_is_no_work_of_the_server() {
    let setting = Setting::retrying(false).await;
    setting.on_insert(Fault::Answer(failure(11600, "InterruptedAtShutdown", &["RetryableWriteError"])));
    let error = setting.insert("a").await.unwrap_err();
    assert!(error.contains_label("RetryableWriteError"), "{error:?}");
    assert!(!setting.is_there("a").await);
}

#[tokio::test]
async fn a_step_down_is_retried() {
    let setting = Setting::new().await;
    for (code, name) in [(10107, "NotWritablePrimary"), (91, "ShutdownInProgress"), (11600, "InterruptedAtShutdown")] {
        setting.on_insert(Fault::Answer(failure(code, name, &["RetryableWriteError"])));
        setting.insert(name).await.unwrap();
    }
    assert_eq!(setting.proxy.hits(), [1, 1, 1]);
    assert_eq!(setting.proxy.commands("insert"), 1 + 3 * 2);
}

#[tokio::test]
async fn a_commit_of_an_unknown_result_was_done() {
    let setting = Setting::new().await;
    // The driver commits again by itself once; so twice.
    let unknown = failure(91, "ShutdownInProgress", &["UnknownTransactionCommitResult", "RetryableWriteError"]);
    setting.proxy.add(Rule::new(Fault::AnswerAfter(unknown)).on("commitTransaction").times(2));
    let mut session = setting.through.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    setting.through.insert_one(doc! { "_id": "a" }).session(&mut session).await.unwrap();
    let error = session.commit_transaction().await.unwrap_err();
    assert!(error.contains_label("UnknownTransactionCommitResult"), "{error:?}");
    assert!(setting.is_there("a").await);
    session.commit_transaction().await.unwrap();
}

#[tokio::test]
async fn a_transient_error_ends_a_transaction() {
    let setting = Setting::new().await;
    let conflict = failure(112, "WriteConflict", &["TransientTransactionError"]);
    setting.on_insert(Fault::Answer(conflict));
    let mut session = setting.through.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let error = setting.through.insert_one(doc! { "_id": "a" }).session(&mut session).await.unwrap_err();
    assert!(error.contains_label("TransientTransactionError"), "{error:?}");
    session.abort_transaction().await.unwrap();
    assert!(!setting.is_there("a").await);
}

#[tokio::test]
async fn latency_delays_and_a_delay_delays_one() {
    let setting = Setting::new().await;
    setting.proxy.delay(Duration::from_millis(60), Duration::from_millis(10));
    let begun = Instant::now();
    setting.insert("a").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(60));
    setting.proxy.delay(Duration::ZERO, Duration::ZERO);
    setting.on_insert(Fault::Delay(Duration::from_millis(200)));
    let begun = Instant::now();
    setting.insert("b").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let begun = Instant::now();
    setting.insert("c").await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_cut_ends_connections_and_new_ones_are_served() {
    let setting = Setting::new().await;
    let mut raw = RawClient::connect(setting.proxy.address()).await.unwrap();
    let ping = doc! { "ping": 1, "$db": "admin" };
    raw.run(&ping).await.unwrap();
    setting.proxy.cut();
    raw.run(&ping).await.unwrap_err();
    RawClient::connect(setting.proxy.address()).await.unwrap().run(&ping).await.unwrap();
    setting.insert("a").await.unwrap();
}

#[tokio::test]
async fn who_is_refused_finds_no_server_and_comes_in_later() {
    let setting = Setting::new().await;
    setting.proxy.refuse(true);
    setting.proxy.cut();
    let ping = doc! { "ping": 1, "$db": "admin" };
    let refused = async { RawClient::connect(setting.proxy.address()).await?.run(&ping).await };
    refused.await.unwrap_err();
    setting.proxy.refuse(false);
    setting.insert("a").await.unwrap();
}

#[tokio::test]
async fn a_silent_network_keeps_what_is_sent_until_it_speaks() {
    let setting = Setting::new().await;
    setting.proxy.pause();
    let sent = setting.insert("a");
    tokio::pin!(sent);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut sent).await.is_err());
    assert!(!setting.is_there("a").await);
    setting.proxy.resume();
    sent.await.unwrap();
}

#[tokio::test]
async fn the_log_has_what_was_sent() {
    let setting = Setting::new().await;
    setting.proxy.keep_log();
    setting.insert("a").await.unwrap();
    let log = setting.proxy.log();
    let inserts: Vec<_> = log.iter().filter(|command| command.name == "insert").collect();
    assert_eq!(inserts.len(), 1);
    assert_eq!(inserts[0].database, setting.mongo.name());
    assert_eq!(inserts[0].body.get_array("documents").unwrap().len(), 1);
}

#[tokio::test]
async fn rules_can_be_forgotten_and_look_at_what_is_sent() {
    let setting = Setting::retrying(false).await;
    let looks = |id: &'static str| {
        let inserted = doc! { "_id": id }.into();
        let holds =
            move |command: &Command| command.body.get_array("documents").is_ok_and(|all| all.contains(&inserted));
        Rule::new(Fault::LoseRequest).when(holds)
    };
    setting.proxy.add(looks("b"));
    setting.insert("a").await.unwrap();
    setting.insert("b").await.unwrap_err();
    setting.proxy.add(looks("c"));
    setting.proxy.clear();
    setting.insert("c").await.unwrap();
}
