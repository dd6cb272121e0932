//! Whatever serde can say goes through arguments, step results and typed errors, live and replayed, and comes back
//! equal; what can't is refused by name.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, clippy::large_futures, clippy::many_single_char_names)]
#![allow(clippy::trivially_copy_pass_by_ref, clippy::wildcard_imports)]

use std::collections::{BTreeMap, HashMap, HashSet};

#[allow(clippy::wildcard_imports)]
use corpus::*;
use outlast::prelude::*;
use outlast::{ErrorKind, Running};
use std::time::Duration;

#[path = "fidelity/corpus.rs"]
mod corpus;

async fn app() -> Running {
    // Parked as soon as it waits: all that comes after has been replayed.
    App::new().store("memory:").key("11".repeat(32)).park_after("0ms").start().await.unwrap()
}

/// Until it waits, parked.
async fn waiting<R: Send + 'static>(run: &outlast::Handle<R>) {
    use outlast::Status;
    loop {
        match run.status().await.unwrap() {
            Status::Waiting => return,
            Status::Running | Status::Ready => tokio::time::sleep(Duration::from_millis(5)).await,
            status @ (Status::Parked | Status::Ended(_)) => panic!("it doesn't wait: {}", status.name()),
        }
    }
}

macro_rules! recorded {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(mod $name {
            use outlast::prelude::*;
            #[allow(unused_imports)]
            use super::*;

            #[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
            pub(super) enum Failure {
                #[error("the value")]
                Value($type),
                #[error("{0}")]
                Outlast(#[from] outlast::Error),
            }

            #[step]
            async fn give(value: $type) -> Result<$type> {
                Ok(value)
            }

            #[step(retry(max_attempts = 1))]
            async fn fail(value: $type) -> Result<(), Failure> {
                Err(Failure::Value(value))
            }

            #[durable]
            pub(super) async fn $name(value: $type) -> Result<$type, Failure> {
                let given = give(value.clone()).await?;
                let failed = fail(value.clone()).await;
                outlast::signal::<()>("go").await?;
                assert_eq!(given, value);
                assert_eq!(failed, Err(Failure::Value(value)));
                Err(Failure::Value(given))
            }
        })*

        async fn start_all(handles: &mut Vec<Box<dyn Case>>) {
            $(
                let value: $type = $value;
                let handle = $name::$name(value).id(stringify!($name)).start().await.unwrap();
                handles.push(Box::new(handle));
            )*
        }

        async fn compare_all(app: &Running) -> usize {
            let mut compared = 0;
            $(
                let value: $type = $value;
                let end = app.scope($name::$name(value.clone()).id(stringify!($name))).await;
                assert_eq!(end, Err($name::Failure::Value(value)), stringify!($name));
                let details = app.execution(stringify!($name)).details().await.unwrap();
                assert!(details.claims() > 1, "{} was never replayed", stringify!($name));
                compared += 1;
            )*
            compared
        }
    };
}

/// A handle whatever its type.
trait Case {
    fn send(&self) -> outlast::Operation<Result<()>>;
}

impl<R: Send + 'static> Case for outlast::Handle<R> {
    fn send(&self) -> outlast::Operation<Result<()>> {
        self.signal("go", &())
    }
}

corpus::corpus!(recorded);

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_data_model_comes_back_live_and_replayed() {
    let app = app().await;
    let mut handles = Vec::new();
    app.scope(start_all(&mut handles)).await;
    // Each has run its steps and waits, parked, before it is woken.
    loop {
        let mut filter = outlast::Filter { limit: 10_000, ..outlast::Filter::default() };
        filter.status = Some("waiting".to_owned());
        if app.executions(filter).await.unwrap().len() == handles.len() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for handle in &handles {
        app.scope(handle.send()).await.unwrap();
    }
    let compared = compare_all(&app).await;
    assert!(compared >= 141, "the corpus has shrunk to {compared}");
    app.shutdown().await;
}

/// A set that doesn't show in a signature: there it is refused by the attribute.
type Numbers = HashSet<u64>;

#[durable]
async fn takes_a_set(numbers: Numbers) -> Result<usize> {
    Ok(numbers.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_that_differs_each_time_is_refused_by_name() {
    let app = app().await;
    let error = app.scope(async { takes_a_set((0..100).collect()).await }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRecordable);
    assert!(error.to_string().contains("`numbers"), "{error}");
    app.shutdown().await;
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum Unsorted {
    #[error("the document")]
    Document(bson::Document, Ordered<String, u8>),
    #[error("{0}")]
    Outlast(#[from] outlast::Error),
}

#[step]
async fn echo(document: &bson::Document, map: &Ordered<String, u8>) -> Result<(bson::Document, Ordered<String, u8>)> {
    Ok((document.clone(), map.clone()))
}

#[step(retry(max_attempts = 1))]
async fn refuse(document: &bson::Document, map: &Ordered<String, u8>) -> Result<(), Unsorted> {
    Err(Unsorted::Document(document.clone(), map.clone()))
}

fn keys(document: &bson::Document) -> Vec<&str> {
    document.keys().map(String::as_str).collect()
}

/// Ends with all it was given and got, as a typed error.
#[durable]
async fn unsorted(document: bson::Document, map: Ordered<String, u8>) -> Result<(), Unsorted> {
    let (given, given_map) = echo(&document, &map).await?;
    let Err(Unsorted::Document(failed, failed_map)) = refuse(&document, &map).await else { return Ok(()) };
    let sent: bson::Document = outlast::signal("go").await?;
    for each in [&document, &given, &failed, &sent, sent.get_document("a").unwrap()] {
        assert_eq!(keys(each), ["z", "a"], "{each}");
    }
    assert_eq!((&map, &given_map, &failed_map), (&ordered(), &ordered(), &ordered()));
    Err(Unsorted::Document(given, given_map))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_keys_is_kept_live_and_replayed() {
    let app = app().await;
    let document = bson::doc! { "z": 1, "a": { "z": 1, "a": 2 } };
    let end = app
        .scope(async {
            let run = unsorted(document.clone(), ordered()).id("unsorted").start().await.unwrap();
            waiting(&run).await;
            run.signal("go", &document).await.unwrap();
            run.result().await
        })
        .await;
    let Err(Unsorted::Document(document, map)) = end else { panic!("{end:?}") };
    assert_eq!(keys(&document), ["z", "a"]);
    assert_eq!(keys(document.get_document("a").unwrap()), ["z", "a"]);
    assert_eq!(map, ordered());
    assert!(app.execution("unsorted").details().await.unwrap().claims() > 1, "never replayed");
    app.shutdown().await;
}

#[step]
async fn count(map: &HashMap<u32, u32>) -> Result<usize> {
    Ok(map.len())
}

#[durable]
async fn listens(map: HashMap<u32, u32>) -> Result<bool> {
    Ok(outlast::signal::<HashMap<u32, u32>>("map").await? == map)
}

/// A map made anew iterates in another order: steps, children and signals find their record all the same.
#[durable]
async fn counts(map: HashMap<u32, u32>) -> Result<usize> {
    let anew = || map.iter().map(|(key, value)| (*key, *value)).collect::<HashMap<_, _>>();
    let first = count(&anew()).await?;
    let child = listens(anew()).start().await?;
    child.signal("map", &anew()).await?;
    outlast::signal::<()>("go").await?;
    Ok(first + count(&anew()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_entries_is_no_part_of_a_calls_identity() {
    let app = app().await;
    let map = || (0..100).map(|n| (n, n)).collect::<HashMap<u32, u32>>();
    app.scope(async {
        let run = counts(map()).id("counts").start().await.unwrap();
        for _ in 0..3 {
            counts(map()).id("counts").start().await.unwrap();
        }
        waiting(&run).await;
        run.signal("go", &()).await.unwrap();
        assert_eq!(run.result().await.unwrap(), 200);

        let (one, other) = (bson::doc! { "z": 1, "a": 2 }, bson::doc! { "a": 2, "z": 1 });
        assert_eq!(first_key(one.clone()).id("first").await.unwrap(), "z");
        // The second call joins the first, and what counts is what was recorded.
        assert_eq!(first_key(other).id("first").await.unwrap(), "z");
        let error = first_key(bson::doc! { "z": 1, "a": 3 }).id("first").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    })
    .await;
    assert!(app.execution("counts").details().await.unwrap().claims() > 1, "never replayed");
    app.shutdown().await;
}

#[durable]
async fn first_key(document: bson::Document) -> Result<String> {
    Ok(document.keys().next().cloned().unwrap_or_default())
}

/// Reads as the first variant whatever was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Ambiguous {
    Small(u8),
    Large(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Holder {
    items: Vec<Ambiguous>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wide {
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Inner {
    number: u128,
}

#[step]
async fn ambiguous() -> Result<Holder> {
    Ok(Holder { items: vec![Ambiguous::Small(1), Ambiguous::Large(5)] })
}

#[step]
async fn wide() -> Result<Wide> {
    Ok(Wide { inner: Inner { number: u128::MAX } })
}

#[durable]
async fn refused() -> Result<Vec<String>> {
    let first = ambiguous().await.unwrap_err();
    let second = wide().await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::NotRecordable);
    assert_eq!(second.kind(), ErrorKind::NotRecordable);
    Ok(vec![first.to_string(), second.to_string()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_come_back_is_refused_with_its_path() {
    let app = app().await;
    let messages = app.scope(async { refused().await }).await.unwrap();
    assert!(messages[0].contains("items[1]"), "{messages:?}");
    assert!(messages[1].contains("number") || messages[1].contains("u128"), "{messages:?}");
    app.shutdown().await;
}

/// Its words give away what it holds, as a type's own checks do.
#[derive(Debug, Clone, Deserialize)]
struct Telltale(String);

impl Serialize for Telltale {
    fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!("a bad card: {}", self.0)))
    }
}

fn telltale() -> HashMap<String, Telltale> {
    HashMap::from([("4111".to_owned(), Telltale("4111".to_owned()))])
}

#[step(secret)]
async fn secret_result() -> Result<HashMap<String, Telltale>> {
    Ok(telltale())
}

#[transaction(secret)]
async fn secret_transaction() -> Result<HashMap<String, Telltale>> {
    Ok(telltale())
}

#[step(secret, retry(max_attempts = 2, initial = "1ms"))]
async fn secret_failure() -> Result<()> {
    Err(outlast::Error::new("a bad card: 4111"))
}

#[step(secret(card))]
async fn secret_argument(card: &HashMap<String, Telltale>) -> Result<usize> {
    Ok(card.len())
}

#[durable(secret(card))]
async fn secret_set(card: HashMap<String, Numbers>) -> Result<usize> {
    Ok(card.len())
}

#[durable(secret)]
async fn secret_end() -> Result<HashMap<String, Telltale>> {
    Ok(telltale())
}

/// An error with what stands behind it.
fn all_of(error: &outlast::Error) -> String {
    format!("{error:?}")
}

#[durable]
async fn secrets() -> Result<Vec<String>> {
    Ok(vec![
        all_of(&secret_result().await.unwrap_err()),
        all_of(&secret_transaction().await.unwrap_err()),
        all_of(&secret_argument(&telltale()).await.unwrap_err()),
        all_of(&secret_failure().await.unwrap_err()),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_secret_is_refused_is_not_said() {
    let app = app().await;
    let mut messages = app.scope(async { secrets().await }).await.unwrap();
    let end = app.scope(async { secret_end().await }).await.unwrap_err();
    messages.insert(0, all_of(&end));
    for (message, name) in messages.iter().zip(["secret_end", "secret_result", "secret_transaction", "card"]) {
        assert!(message.contains(name) && message.contains("it is secret"), "{message}");
    }
    let card = HashMap::from([("4111".to_owned(), (0..100).collect())]);
    let error = app.scope(async { secret_set(card).await }).await.unwrap_err();
    assert!(error.to_string().contains("the argument `card` of"), "{error}");
    messages.push(all_of(&error));
    for message in messages {
        assert!(!message.contains("4111") && !message.contains("bad card"), "{message}");
    }
    app.shutdown().await;
}
