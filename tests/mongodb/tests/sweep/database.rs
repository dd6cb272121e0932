//! The store in MongoDB as the sweep sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::Client;
use outlast_test_servers::Mongo;

use crate::PROGRAM;
use crate::journey::Known;
use crate::point::{Phase, Point};
use crate::started::{Directory, LIMIT, within};

/// The points of the journey: a change of this number is a change of what is tested.
pub(crate) const POINTS: usize = 72;

/// How points begin that one journey comes to and another doesn't.
pub(crate) const UNNAMED: [&str; 3] = ["sweep:", "release errand:", "claim errand:"];

/// The points of the record, and those between the commands of one write.
pub(crate) fn points(of_record: BTreeSet<Point>) -> BTreeSet<Point> {
    let named = |label: &str, phase| Point { label: label.to_owned(), phase };
    let mut points = of_record;
    // What a claim gets is known afterwards.
    if points.remove(&named("claim journey", Phase::BeforeCommit)) {
        points.insert(named("claim", Phase::BeforeCommit));
        points.insert(named("claim unread", Phase::AfterCommit));
    }
    let between = ["end untold errand", "inbox untaken", "inbox untold"];
    points.extend(between.map(|label| named(label, Phase::AfterCommit)));
    points
}

/// The lease of the programs: long enough for a machine that is busy, since a body of a worker that was wrongly taken for
/// dead runs twice.
const LEASE: &str = "2s";

/// What a process had sent before its death has been done after so long.
const IN_FLIGHT: Duration = Duration::from_millis(150);

impl Directory {
    /// A directory whose store is a database of the shared server.
    pub(crate) fn new() -> Self {
        let mongo = Mongo::start();
        let uri = mongo.uri();
        Self::with_store(|_| uri, mongo).set("HANG_LIMIT", LEASE)
    }
}

/// What the documents themselves say: bookings, and what should be gone.
pub(crate) async fn counted(directory: &Directory) -> (i64, i64) {
    let database = Client::with_uri_str(directory.store()).await.unwrap().default_database().unwrap();
    let count = async |collection: &str, filter: Document| {
        i64::try_from(database.collection::<Document>(collection).count_documents(filter).await.unwrap()).unwrap()
    };
    // Of a message that was taken its id stays until the execution ends or is purged.
    let left_over = async || {
        let attempts = count("outlast.log", doc! { "type": 5 }).await;
        let untold = doc! { "$or": [{ "watchers": { "$exists": true } }, { "tell": { "$exists": true } }] };
        attempts + count("outlast.executions", untold).await
    };
    if left_over().await > 0 {
        // What a death left half done, the next sweep finishes.
        let mut worker = directory.start(PROGRAM, "work", &[]);
        within("a sweep finishes what was begun", async {
            while left_over().await > 0 {
                tokio::time::sleep(IN_FLIGHT).await;
            }
        })
        .await;
        worker.ask_to_go().await;
    }
    (count("accounts", doc! {}).await, left_over().await)
}

/// Of a store whose processes are all dead.
pub(crate) async fn known_of_the_dead(directory: &Directory) -> Known {
    tokio::time::sleep(IN_FLIGHT).await;
    let running = directory.caller(LIMIT).await;
    let known = Known::of(&running).await;
    running.shutdown().await;
    known
}

/// Others go on, wherever the process stopped: what was on record is known if nothing was recorded meanwhile.
pub(crate) fn known_at_death(_: &Point, before: Known, after: Known) -> Known {
    Known { exact: before.claims == after.claims && before.recorded == after.recorded, ..after }
}
