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
    App::new().store("memory:").park_after("0ms").start().await.unwrap()
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
        let mut filter = outlast::store::Filter { limit: 10_000, ..Default::default() };
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
    assert!(compared >= 134, "the corpus has shrunk to {compared}");
    app.shutdown().await;
}

#[durable]
async fn takes_a_set(numbers: HashSet<u64>) -> Result<usize> {
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
