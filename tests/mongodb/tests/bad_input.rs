//! What can't work, as one table, for both stores: each is refused within 10 seconds by an error that names the thing and
//! holds no secret, and leaves nothing half-written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::time::{Duration, Instant};

use bson::{Document, doc};
use futures::TryFutureExt;
use outlast::{App, ErrorKind, Result, Running, collection, durable};
use outlast_test_servers::{Mongo, ScriptedServer, failure};
use serde::{Deserialize, Serialize};

/// How long a refusal may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The password of whoever is refused.
const SECRET: &str = "s3cr3t-w0rd";

/// What is tried, and what its error must be.
struct Case {
    what: &'static str,
    kind: ErrorKind,
    /// Words that name the thing, and the way out.
    says: Vec<String>,
}

impl Case {
    fn of(what: &'static str, kind: ErrorKind, says: &[&str]) -> Self {
        Self { what, kind, says: says.iter().map(|word| (*word).to_owned()).collect() }
    }

    async fn is_refused<T>(&self, tried: impl Future<Output = Result<T>>) {
        let begun = Instant::now();
        let answer = tokio::time::timeout(LIMIT, tried).await;
        let error = answer.unwrap_or_else(|_| panic!("{}: no answer within {LIMIT:?}", self.what));
        let error = error.err().unwrap_or_else(|| panic!("{}: it was accepted", self.what));
        println!("{} ({} ms): {error}", self.what, begun.elapsed().as_millis());
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), self.kind, "{}: {shown}", self.what);
        for word in &self.says {
            assert!(shown.contains(word), "{}: no word of `{word}` in: {shown}", self.what);
        }
        assert!(!shown.contains(SECRET), "{}: a secret is shown: {shown}", self.what);
    }
}

fn start(store: String) -> impl Future<Output = Result<Running>> {
    App::new().store(store).store_timeout("4s").caller_only().start()
}

fn nothing(_: &outlast_test_servers::Command) -> Document {
    failure(59, "CommandNotFound", &[])
}

/// A server that says this of itself.
async fn scripted(change: impl FnOnce(&mut Document)) -> (ScriptedServer, String) {
    let mut hello = ScriptedServer::primary();
    change(&mut hello);
    let server = ScriptedServer::start(hello, nothing).await.unwrap();
    let uri = format!("mongodb://{}/shop?directConnection=true", server.address());
    (server, uri)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_is_refused() {
    let nobody = "mongodb://ann:s3cr3t-w0rd@127.0.0.1:1/shop".to_owned();
    let case = Case::of("an address where nobody answers", ErrorKind::Unavailable, &["127.0.0.1:1", "address"]);
    case.is_refused(start(nobody)).await;

    let unknown = "mongodb+srv://ann:s3cr3t-w0rd@no-such-host.invalid/shop".to_owned();
    let case = Case::of("a name that nobody has", ErrorKind::Unavailable, &["no-such-host.invalid", "DNS", "address"]);
    case.is_refused(start(unknown)).await;

    let unknown = "mongodb://ann:s3cr3t-w0rd@no-such-host.invalid/shop".to_owned();
    let says = ["no-such-host.invalid:27017: this name has no address (DNS)"];
    Case::of("a name without an address", ErrorKind::Unavailable, &says).is_refused(start(unknown)).await;

    let silent = ScriptedServer::silent().await.unwrap();
    let uri = format!("mongodb://ann:{SECRET}@{}/shop", silent.address());
    let address = silent.address().to_string();
    Case::of("a server that says nothing", ErrorKind::Unavailable, &[&address]).is_refused(start(uri)).await;

    let guarded = Mongo::with_auth();
    let uri = guarded.uri();
    let (before, rest) = uri.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    let wrong = format!("{before}://tester:{SECRET}@{place}");
    let case =
        Case::of("a wrong password", ErrorKind::Unavailable, &["refuses this user", "password", "OUTLAST_STORE"]);
    case.is_refused(start(wrong)).await;

    let (_old, uri) = scripted(|hello| drop(hello.insert("maxWireVersion", 13))).await;
    Case::of("an old server", ErrorKind::Unsupported, &["older than MongoDB 6.0", "upgrade"])
        .is_refused(start(uri))
        .await;
    let (_alone, uri) = scripted(|hello| drop(hello.remove("setName"))).await;
    let says = ["standalone", "no transactions", "replica set"];
    Case::of("a server without transactions", ErrorKind::Unsupported, &says).is_refused(start(uri)).await;

    for (asked, says) in [
        ("w=0", "w=1"),
        ("readConcernLevel=frob", "majority"),
        ("readConcernLevel=linearizable&readPreference=secondary", "primary"),
    ] {
        let uri = format!("mongodb://ann:{SECRET}@127.0.0.1:1/shop?{asked}");
        let named = asked.split('&').next().unwrap();
        Case::of("a concern that no server has", ErrorKind::Invalid, &[named, says]).is_refused(start(uri)).await;
    }
    let server = ScriptedServer::start(ScriptedServer::primary(), nothing).await.unwrap();
    let uri = format!("mongodb://{}/shop?replicaSet=scripted&readPreference=secondary", server.address());
    let says = ["readPreference=secondary", "one member", "secondaryPreferred"];
    Case::of("reads from secondaries that aren't", ErrorKind::Invalid, &says).is_refused(start(uri)).await;
    for (w, code) in [("5", 100), ("frob", 79)] {
        let refused = move |command: &outlast_test_servers::Command| {
            let nothing = doc! { "ok": 1.0, "n": 0, "nModified": 0 };
            let failed = doc! { "code": code, "codeName": "No", "errmsg": "not of this set" };
            match command.name.as_str() {
                "update" => nothing.into_iter().chain(doc! { "writeConcernError": failed }).collect(),
                _ => failure(59, "CommandNotFound", &[]),
            }
        };
        let server = ScriptedServer::start(ScriptedServer::primary(), refused).await.unwrap();
        let uri = format!("mongodb://{}/shop?directConnection=true&w={w}", server.address());
        let says = [&*format!("w={w}"), "not of this set", "w=majority"];
        Case::of("a write concern that this server hasn't", ErrorKind::Invalid, &says).is_refused(start(uri)).await;
    }

    for name in ["a%20b", "a.b", "a%24b", "a%22b", "admin"] {
        let uri = format!("mongodb://ann:{SECRET}@127.0.0.1:1/{name}");
        Case::of("an odd database", ErrorKind::Invalid, &[name]).is_refused(start(uri)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no-folder/shop.db");
    let case = Case::of("a file in no folder", ErrorKind::Invalid, &["no-folder", "create it"]);
    case.is_refused(start(format!("sqlite://{}", missing.display()))).await;
    let text = folder.path().join("letter.txt");
    std::fs::write(&text, "Dear Ann, this is a letter and no database. ".repeat(200)).unwrap();
    let case = Case::of("a file that is no database", ErrorKind::Damaged, &["letter.txt"]);
    case.is_refused(start(format!("sqlite://{}", text.display()))).await;
}

/// A document in which another is, and so on.
fn nested(depth: usize) -> Document {
    (1..depth).fold(doc! { "leaf": 1 }, |inner, _| doc! { "a": inner })
}

/// Typed, and as deep.
#[derive(Default, Serialize, Deserialize)]
struct Node {
    inner: Option<Box<Node>>,
}

impl Node {
    fn nested(depth: usize) -> Self {
        (1..depth).fold(Self::default(), |inner, _| Self { inner: Some(inner.into()) })
    }
}

#[durable]
async fn finds_deep(depth: usize) -> Result<()> {
    collection::<Document>("things").find_one(doc! { "a": nested(depth) }).await.map(drop)
}

#[durable]
async fn writes_deep(depth: usize) -> Result<()> {
    let things = collection::<Node>("things");
    things.update_one(doc! {}, doc! { "$set": { "a": nested(depth) } }).await.map(drop)
}

#[durable]
async fn inserts_deep(depth: usize) -> Result<()> {
    collection::<Node>("things").insert_one(Node::nested(depth)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_nested_too_deep_is_refused_and_ends_no_process() {
    let (mongo, folder) = (Mongo::start(), tempfile::tempdir().unwrap());
    for store in [mongo.uri(), format!("sqlite://{}", folder.path().join("shop.db").display())] {
        let running = App::new().store(store).start().await.unwrap();
        let deep = Case::of("nested too deep", ErrorKind::Invalid, &["deep"]);
        let within = |wanted: &dyn Fn(&outlast::Collection<Document>) -> Wanted| {
            let wanted = wanted(&collection("things"));
            deep.is_refused(running.scope(wanted))
        };
        for depth in [200, 400, 1_000, 3_000] {
            let set = || doc! { "$set": { "b": nested(depth) } };
            within(&|things| Box::pin(things.insert_one(nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.insert_many([nested(depth)]).map_ok(drop))).await;
            within(&|things| Box::pin(things.replace_one(doc! {}, nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.find(nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.find_one(doc! {}).sort(nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.count_documents(nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.distinct("a", nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.delete_many(nested(depth)).map_ok(drop))).await;
            within(&|things| Box::pin(things.update_one(nested(depth), doc! { "$set": { "b": 1 } }).map_ok(drop)))
                .await;
            within(&|things| Box::pin(things.update_many(doc! {}, set()).map_ok(drop))).await;
            within(&|things| Box::pin(things.update_one(doc! {}, vec![set()]).map_ok(drop))).await;
            within(&|things| Box::pin(things.find_one_and_update(doc! {}, set()).map_ok(drop))).await;
            within(&|things| {
                let nodes = things.clone_with_type::<Node>();
                Box::pin(nodes.insert_one(Node::nested(depth)).map_ok(drop))
            })
            .await;
            within(&|_| Box::pin(outlast::shared::<Node>("shared", "one").set(&Node::nested(depth)))).await;
            within(&|_| Box::pin(outlast::shared::<u8>("shared", &Node::nested(depth)).get().map_ok(drop))).await;
            deep.is_refused(running.scope(async { finds_deep(depth).await })).await;
            deep.is_refused(running.scope(async { writes_deep(depth).await })).await;
            deep.is_refused(running.scope(async { inserts_deep(depth).await })).await;
        }
        // So deep that dropping it would fill the stack.
        let abyss: &'static Document = Box::leak(nested(10_000).into());
        within(&|things| Box::pin(things.insert_one(abyss).map_ok(drop))).await;
        assert_eq!(count(&running).await, 0, "nothing was half-written");
        running.shutdown().await;
    }
}

type Wanted = std::pin::Pin<Box<dyn Future<Output = Result<()>>>>;

async fn count(running: &Running) -> u64 {
    running.scope(async { collection::<Document>("things").count_documents(doc! {}).await }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_cannot_be_is_refused() {
    let (mongo, folder) = (Mongo::start(), tempfile::tempdir().unwrap());
    for store in [mongo.uri(), format!("sqlite://{}", folder.path().join("shop.db").display())] {
        let running = start(store).await.unwrap();
        let insert = |document: Document| {
            running.scope(async move { collection::<Document>("things").insert_one(document).await })
        };
        insert(doc! { "_id": "one" }).await.unwrap();

        let filter = doc! { "a": { "$frob": 1 } };
        let find = running.scope(async { collection::<Document>("things").find_one(filter).await });
        Case::of("an unknown operator", ErrorKind::Invalid, &["$frob"]).is_refused(find).await;

        let large = doc! { "_id": "large", "text": "x".repeat(17 << 20) };
        Case::of("a document over 16 MB", ErrorKind::TooLarge, &["16"]).is_refused(insert(large)).await;

        let again = doc! { "_id": "one", "n": 2 };
        Case::of("a key that is taken", ErrorKind::Conflict, &["_id", "one"]).is_refused(insert(again)).await;

        let several = running.scope(async {
            let things = collection::<Document>("things");
            things.insert_many([doc! { "_id": "one", "n": 3 }, doc! { "_id": "two" }]).await
        });
        Case::of("a key that is taken, of several", ErrorKind::Conflict, &["_id", "one"]).is_refused(several).await;

        let deep = Case::of("a document nested 200 deep", ErrorKind::Invalid, &["deep"]);
        deep.is_refused(insert(doc! { "_id": "deep", "a": nested(199) })).await;

        assert_eq!(count(&running).await, 1, "nothing was half-written");
        running.shutdown().await;
    }
}
