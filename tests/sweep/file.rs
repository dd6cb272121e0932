//! The embedded store as the sweep sees it.

use std::collections::BTreeSet;

use crate::journey::Known;
use crate::point::{Phase, Point};
use crate::started::{Directory, LIMIT};

/// The points of the journey: a change of this number is a change of what is tested.
pub(crate) const POINTS: usize = 68;

/// How points begin that one journey comes to and another doesn't.
pub(crate) const UNNAMED: [&str; 4] = ["claim:", "sweep:", "release errand:", "claim errand:"];

/// The points of the record are those of this store.
pub(crate) fn points(of_record: BTreeSet<Point>) -> BTreeSet<Point> {
    of_record
}

/// What the tables themselves say: changes logged, and rows that should be gone. The file is whole.
#[allow(clippy::unused_async, reason = "as its sibling of MongoDB")]
pub(crate) async fn counted(directory: &Directory) -> (i64, i64) {
    let file = directory.file();
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let count = |rows: &str| -> i64 {
        file.query_row(&format!("SELECT count(*) FROM outlast_{rows}"), [], |row| row.get(0)).unwrap()
    };
    let left_over = ["inbox", "attempts", "watchers"].map(count).iter().sum();
    (count("changes WHERE collection = (SELECT n FROM outlast_collections WHERE name = 'accounts')"), left_over)
}

/// Of a store whose processes are all dead: from a copy, so that who comes next finds the file as they left it.
pub(crate) async fn known_of_the_dead(directory: &Directory) -> Known {
    let copy = Directory::new();
    for file in ["store.db", "store.db-wal"] {
        if directory.path().join(file).exists() {
            std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
        }
    }
    let running = copy.caller(LIMIT).await;
    let known = Known::of(&running).await;
    running.shutdown().await;
    known
}

/// What is frozen in the writer records nothing more, and nobody else does; elsewhere the record is read as soon as the
/// process is dead, which may be too late.
pub(crate) fn known_at_death(point: &Point, before: Known, after: Known) -> Known {
    match point.phase {
        Phase::BeforeCommit | Phase::AfterCommit => before,
        Phase::BeforeBody | Phase::AfterBody => Known { exact: before.claims == after.claims, ..after },
    }
}
