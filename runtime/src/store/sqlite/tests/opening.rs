//! What is opened, and what is refused with the way out.

use std::path::Path;

use super::super::schema::{APPLICATION, MIGRATIONS};
use super::super::{open, schema};
use super::*;
use crate::store::Stamp;
use crate::store::conformance::case::{call, id};

async fn open_at(path: &Path) -> Result<Arc<SqliteStore>> {
    SqliteStore::open(SqliteOptions { limit: Duration::from_secs(2), ..SqliteOptions::file(path) }).await
}

async fn refusal(path: &Path) -> Error {
    match open_at(path).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

fn says(error: &Error, words: &[&str]) {
    let text = error.messages().join(": ");
    for word in words {
        assert!(text.contains(word), "{text:?} doesn't say {word:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_created_once_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    // Several at once: one makes it, the others find it.
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { open_at(&path).await.unwrap() })
        })
        .collect();
    let mut keys = Vec::new();
    for store in opening {
        keys.push(store.await.unwrap().digest_key());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
    let store = open_at(&path).await.unwrap();
    assert_eq!(store.digest_key(), keys[0]);
    store.create(call("a", 1)).await.unwrap();
    store.close().await;
    let store = open_at(&path).await.unwrap();
    assert!(store.details(id("a")).await.unwrap().is_some());
    let opened = open::file(&path, MIGRATIONS, Stamp(0)).unwrap();
    let synchronous: i64 = opened.connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL: acknowledged is durable");
    let mode: String = stranger(&path).query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_lets_go_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    for _ in 0..5 {
        open_at(&path).await.unwrap().close().await;
        // The last connection to go takes the log with it.
        assert!(!directory.path().join("shop.db-wal").exists(), "the file is still open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_cannot_hold_a_store_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = refusal(&directory.path().join("missing/shop.db")).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["missing", "doesn't exist", "create it"]);
    let error = refusal(directory.path()).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["is a directory"]);
    let error = refusal(Path::new("/")).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    #[cfg(target_os = "linux")]
    {
        let error = refusal(Path::new("/proc/outlast.db")).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        says(&error, &["/proc/outlast.db"]);
        let error = refusal(Path::new("/dev/null")).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        says(&error, &["/dev/null", "ordinary file"]);
        assert!(!Path::new("/dev/null-next").exists(), "nothing was put beside it");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_one_name() {
    let directory = tempfile::tempdir().unwrap();
    let [path, link, hard] = ["shop.db", "link.db", "hard.db"].map(|name| directory.path().join(name));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let error = refusal(&link).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    says(&error, &["link.db", "leads nowhere"]);
    let by_name = open_at(&path).await.unwrap();
    let by_link = open_at(&link).await.unwrap();
    assert_eq!(by_link.shared.file, by_name.shared.file, "and so all that lies beside it");
    by_name.close().await;
    by_link.close().await;
    std::fs::hard_link(&path, &hard).unwrap();
    for name in [&path, &hard] {
        let error = refusal(name).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        says(&error, &["several names"]);
    }
    std::fs::remove_file(&hard).unwrap();
    open_at(&path).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_store_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "dear diary, this is no database").unwrap();
    let error = refusal(&text).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    says(&error, &["notes.txt", "not a SQLite database", "another file"]);
    assert_eq!(std::fs::read_to_string(&text).unwrap(), "dear diary, this is no database");

    let foreign = directory.path().join("browser.db");
    stranger(&foreign).execute_batch("CREATE TABLE history (url TEXT)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    let error = refusal(&foreign).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    says(&error, &["browser.db", "another application"]);
    assert_eq!(std::fs::read(&foreign).unwrap(), before, "not a byte was changed");

    let marked = directory.path().join("marked.db");
    stranger(&marked).execute_batch("PRAGMA application_id = 77").unwrap();
    assert_eq!(refusal(&marked).await.kind(), ErrorKind::Damaged);
    let beside: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 3, "nothing was put beside them: {beside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    open_at(&path).await.unwrap().close().await;
    stranger(&path).execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len() + 1)).unwrap();
    let error = refusal(&path).await;
    assert_eq!(error.kind(), ErrorKind::Damaged);
    says(&error, &["shop.db", "schema version 2", "release"]);
}

/// A version after today's, for tests of the way there.
const NEXT: &str = "CREATE TABLE novelty (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; \
     ALTER TABLE outlast_executions ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_migrated_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = open_at(&path).await.unwrap();
    store.create(call("a", 1)).await.unwrap();
    let key = store.digest_key();
    store.close().await;

    let broken = [MIGRATIONS, &[NEXT, "CREATE TABLE outlast_rows (x)"]].concat();
    assert!(open::file(&path, &broken, Stamp(0)).is_err(), "the last step fails");
    let connection = stranger(&path);
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    assert_eq!(version(&connection).unwrap(), 1);
    assert!(connection.prepare("SELECT * FROM novelty").is_err(), "nor did the step before stay");

    let migrated = open::file(&path, &[MIGRATIONS, &[NEXT]].concat(), Stamp(0)).unwrap();
    assert_eq!(version(&migrated.connection).unwrap(), 2);
    let kept: Vec<u8> = schema::meta(&migrated.connection, "digest_key").unwrap().unwrap();
    assert_eq!(kept, key, "what was there stays");
    let ids: String = migrated
        .connection
        .query_row("SELECT id FROM outlast_executions WHERE priority = 0", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, "a");
    let application: i32 = migrated.connection.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert_eq!(application, APPLICATION);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = open_at(&path).await.unwrap();
    for number in 0..50 {
        store.create(call(&format!("{number}"), number)).await.unwrap();
    }
    store.close().await;
    stranger(&path).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Cut off, in a page and between two.
    for length in [whole.len() / 2, whole.len() - 4096, 4096, 5000] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(&path).await;
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length}: {error:?}");
        says(&error, &["shop.db", "damaged", "backup"]);
    }
    // Overwritten in the middle: found when it is read, and said at once.
    let mut torn = whole.clone();
    torn[4096..].fill(0xAA);
    std::fs::write(&path, &torn).unwrap();
    let error = match open_at(&path).await {
        Err(error) => error,
        Ok(store) => store.create(call("new", 1)).await.map(drop).expect_err("a damaged table was written to"),
    };
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
    std::fs::write(&path, &whole).unwrap();
    open_at(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_behind_a_stopped_process_gives_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    open_at(&path).await.unwrap().close().await;
    let turn = std::fs::File::open(directory.path().join("shop.db-turn")).unwrap();
    turn.lock().unwrap();
    let options = SqliteOptions { limit: Duration::from_millis(300), ..SqliteOptions::file(&path) };
    let error = SqliteStore::open(options).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    says(&error, &["shop.db", "another process holds its lock"]);
    turn.unlock().unwrap();
    open_at(&path).await.unwrap();
}

#[test]
fn file_systems_that_cannot_keep_a_store_are_known() {
    for (magic, name) in [(0x6969, "NFS"), (0x6573_5546, "FUSE"), (0xFF53_4D42, "CIFS")] {
        assert_eq!(open::refused(magic), Some(name));
    }
    for local in
        [0xEF53 /* ext4 */, 0x9123_683E /* btrfs */, 0x5846_5342 /* xfs */, 0x0102_1994 /* tmpfs */]
    {
        assert_eq!(open::refused(local), None);
    }
}
