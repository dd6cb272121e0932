//! The hot path, a piece at a time: `./tests/run bench --micro`. Each says how often it allocates, too.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark says what went wrong by failing")]

use std::future::IntoFuture;
use std::sync::LazyLock;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use outlast::bson::{Document, RawDocumentBuf};
use outlast::micro;
use outlast::prelude::*;
use tokio::runtime::Runtime;

#[global_allocator]
static COUNTED: AllocProfiler = AllocProfiler::system();

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Outcomes of the record that is replayed.
const OUTCOMES: usize = 1_000;
/// Rows of a group.
const GROUP: u32 = 1_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    id: String,
    email: String,
    cents: i64,
    note: String,
}

fn order() -> Order {
    let (id, email) = ("order-00000001".to_owned(), "customer@example.com".to_owned());
    Order { id, email, cents: 1_990, note: "n".repeat(93) }
}

#[step]
async fn charge(number: u64) -> Result<u64> {
    Ok(number)
}

#[durable]
async fn waits(steps: u64) -> Result<u64> {
    for number in 0..steps {
        charge(number).await?;
    }
    outlast::signal::<u64>("go-on").await
}

fn main() {
    divan::main();
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let order = order();
    bencher.bench(|| micro::encode(black_box(&order)));
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let bytes = micro::encode(&order());
    bencher.bench(|| micro::decode::<Order>(black_box(&bytes)));
}

/// That a value comes back as it went in.
#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let bytes = micro::encode(&order());
    bencher.bench(|| micro::check::<Order>(black_box(&bytes)));
}

#[divan::bench]
fn digest(bencher: Bencher<'_, '_>) {
    let bytes = micro::encode(&order());
    bencher.bench(|| micro::digest(black_box(&bytes)));
}

/// A filter against a document of 22 fields.
#[divan::bench(args = ["equal", "range", "text", "path", "element", "regex", "in"])]
fn matches(bencher: Bencher<'_, '_>, kind: &str) {
    let filter = match kind {
        "equal" => doc! { "n": 7 },
        "range" => doc! { "n": { "$gte": 5, "$lt": 9 } },
        "text" => doc! { "s": "needle" },
        "path" => doc! { "d.e.f": 1 },
        "element" => doc! { "l": 5 },
        "regex" => doc! { "s": { "$regex": "^need" } },
        _ => doc! { "n": { "$in": [1, 7] } },
    };
    let mut document: Document = (0..18).map(|n| (format!("field_{n}"), format!("a text of {n}").into())).collect();
    document.extend(doc! { "n": 7, "s": "needle", "d": { "e": { "f": 1 } }, "l": [1, 2, 3, 4, 5] });
    let document = RawDocumentBuf::try_from(&document).unwrap();
    let filter = micro::Filter::parse(&filter).unwrap();
    assert!(filter.matches(&document));
    bencher.bench(|| filter.matches(black_box(&document)));
}

#[divan::bench]
fn claim_of_a_place(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(OUTCOMES)).with_inputs(micro::Claims::default).bench_values(|mut claims| {
        for number in 0..OUTCOMES as u64 {
            claims.claim(black_box(number));
        }
    });
}

/// Offers of a recorded execution: each has its turn, the function takes it and calls the next step.
#[divan::bench]
fn offer(bencher: Bencher<'_, '_>) {
    let _inside = RUNTIME.enter();
    let replay = RUNTIME.block_on(async {
        let app = App::new().store("memory:").park_after("1ms").start().await.unwrap();
        let call = waits(OUTCOMES as u64).id("replayed").start().into_future().await.unwrap();
        while call.status().await.unwrap() != outlast::Status::Waiting {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        (micro::Replay::of(&app, "replayed").await.unwrap(), app)
    });
    bencher.counter(ItemsCount::new(OUTCOMES)).bench(|| replay.0.replay());
    RUNTIME.block_on(replay.1.shutdown());
}

/// One row, durable in a file; and a group of them.
#[divan::bench(args = [1, GROUP])]
fn rows(bencher: Bencher<'_, '_>, rows: u32) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let url = format!("sqlite://{}", folder.path().join("outlast.db").display());
    let (arguments, value) = (micro::encode(&order()), micro::encode(&order()));
    let (mut record, app) = RUNTIME.block_on(async {
        let app = App::new().store(url).start().await.unwrap();
        (micro::Record::new(&app, "waits").await.unwrap(), app)
    });
    bencher.counter(ItemsCount::new(rows)).bench_local(|| record.write(rows, &arguments, &value));
    RUNTIME.block_on(app.shutdown());
}
