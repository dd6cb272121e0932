//! A worker that dies while it takes back what a dead one owned, at each point between its commands: the next one finishes
//! what it has begun, and does nothing twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::{Client, Database};

use crate::PROGRAM;
use crate::journey::judge;
use crate::killed::{Undisturbed, compare, deadly, ended, sweep, undisturbed};
use crate::place;
use crate::point::{Phase, Point};
use crate::started::{Directory, LIMIT, Program, until, within};

/// The points of a sweep that finds a dead worker.
const OF_A_SWEEP: [(&str, Phase); 4] = [
    ("mark", Phase::AfterCommit),
    ("fence", Phase::BeforeCommit),
    ("fence", Phase::AfterCommit),
    ("take back", Phase::AfterCommit),
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_takes_back_a_worker_is_stood_in_for_by_the_next() {
    let undisturbed = Arc::new(undisturbed().await);
    let points = OF_A_SWEEP.map(|(label, phase)| Point { label: label.to_owned(), phase });
    sweep(points.into(), |point| taken_back(point, undisturbed.clone())).await;
}

/// The first worker dies in the middle of a transaction, the second while it takes back from the first.
async fn taken_back(point: Point, undisturbed: Arc<Undisturbed>) {
    let directory = Directory::new();
    let middle = Point { label: "book#0".to_owned(), phase: Phase::BeforeCommit };
    let first = dead(&directory, "create", &middle).await;
    let known = place::known_of_the_dead(&directory).await;
    dead(&directory, "work", &point).await;

    let mut third = directory.start(PROGRAM, "work", &[]);
    let mut signal = directory.start(PROGRAM, "signal", &[]);
    let running = directory.caller(LIMIT).await;
    within(&format!("the journey ends after {point}"), ended(&point, &running)).await;
    running.shutdown().await;
    signal.succeeds().await;
    let database = Client::with_uri_str(directory.store()).await.unwrap().default_database().unwrap();
    let workers = database.collection::<Document>("outlast.workers");
    within("the dead are taken off the list", async {
        while workers.count_documents(doc! {}).await.unwrap() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    third.ask_to_go().await;
    // What was free already, the second may have begun.
    if point.label != "take back" {
        judge(&middle, first.pid(), &known, &undisturbed.bodies, directory.path());
    }
    compare(&point, &undisturbed, &directory).await;
    nothing_is_fenced_twice(&point, &database).await;
}

/// Starts a program that is killed at a point.
async fn dead(directory: &Directory, mode: &str, point: &Point) -> Program {
    let (name, file) = (point.to_string(), directory.path().join(mode));
    let mut program = directory.start(PROGRAM, mode, &deadly(&name, file.to_str().unwrap()));
    until(&format!("{point} is reached"), || {
        assert!(program.ended().is_none(), "{point} was never reached: {}", program.said());
        file.exists()
    })
    .await;
    program.kill();
    program
}

/// A death counts once, however many sweeps took back: one fence of each epoch.
async fn nothing_is_fenced_twice(point: &Point, database: &Database) {
    const FENCE: i32 = 6;
    let mut fences = database.collection::<Document>("outlast.log").find(doc! { "type": FENCE }).await.unwrap();
    let mut counts = HashMap::<(String, i64), u32>::new();
    while fences.advance().await.unwrap() {
        let fence = fences.deserialize_current().unwrap();
        let id = fence.get_document("_id").unwrap().get_str("e").unwrap().to_owned();
        *counts.entry((id, fence.get_i64("epoch").unwrap())).or_default() += 1;
    }
    assert!(!counts.is_empty() && counts.values().all(|count| *count == 1), "{point}: {counts:?}");
}
