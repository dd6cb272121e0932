//! SQL of the application's own, in the same file and the same transaction.

use outlast::prelude::*;
use outlast::rusqlite;
use outlast::{Error, ErrorKind};

use crate::app;

#[transaction]
async fn make_tables() -> Result<()> {
    outlast::sqlite(|connection| {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
    })
}

#[transaction]
async fn book(account: &str, cents: i64, fail: bool) -> Result<i64> {
    let balance = outlast::sqlite(|connection| {
        connection.query_row(
            "INSERT INTO accounts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cents = cents + ?2 RETURNING cents",
            (account, cents),
            |row| row.get(0),
        )
    })?;
    collection::<outlast::bson::Document>("bookings").insert_one(doc! { "account": account, "cents": cents }).await?;
    if fail { Err(Error::terminal("no")) } else { Ok(balance) }
}

#[durable]
async fn booked() -> Result<Vec<i64>> {
    make_tables().await?;
    let balances = vec![book("a", 5, false).await?, book("a", 7, false).await?];
    assert!(book("a", 100, true).await.is_err());
    Ok([balances, vec![book("a", 0, false).await?]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_commits_with_the_transaction_or_not_at_all() {
    let (app, folder) = app().await;
    app.scope(async {
        assert_eq!(booked().await.unwrap(), [5, 12, 12]);
        assert_eq!(collection::<outlast::bson::Document>("bookings").count_documents(doc! {}).await.unwrap(), 3);
    })
    .await;
    let other = rusqlite::Connection::open(folder.path().join("data.db")).unwrap();
    let cents: i64 = other.query_row("SELECT cents FROM accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(cents, 12);
}

#[transaction]
async fn tries(sql: &str) -> Result<String> {
    match outlast::sqlite(|connection| connection.execute_batch(sql)) {
        Ok(()) => Ok("done".into()),
        Err(error) => Ok(format!("{:?}", error.kind())),
    }
}

#[durable]
async fn tries_it(sql: String) -> Result<String> {
    tries(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_the_store_is_refused() {
    let (app, _folder) = app().await;
    app.scope(async {
        for sql in [
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT mine",
            "RELEASE outlast_body",
            "ATTACH ':memory:' AS other",
            "PRAGMA synchronous = OFF",
            "DELETE FROM outlast_executions",
            "UPDATE outlast_documents SET body = x''",
            "DROP TABLE \"outlast_rows\"",
            "CREATE TABLE Outlast_mine (a)",
            "CREATE TABLE a (b); CREATE INDEX outlast_index ON a (b)",
            "CREATE TRIGGER t AFTER INSERT ON outlast_documents BEGIN SELECT 1; END",
        ] {
            assert_eq!(tries_it(sql.into()).await.unwrap(), "Unsupported", "{sql}");
        }
        assert_eq!(
            tries_it("CREATE TABLE mine (a); INSERT INTO mine SELECT 1; DROP TABLE mine".into()).await.unwrap(),
            "done"
        );
        for name in ["meta", "workers", "executions", "rows", "inbox", "documents", "indexes", "changes"] {
            let sql = format!(
                "CREATE TABLE {name} (a); INSERT INTO {name} VALUES (1); UPDATE {name} SET a = 2; DROP TABLE {name}"
            );
            assert_eq!(tries_it(sql).await.unwrap(), "done", "{name}: the store's own have another name");
        }
        assert_eq!(tries_it("SELECT count(*) FROM nowhere".into()).await.unwrap(), "Failed", "the error is SQLite's");
    })
    .await;
}

/// The connection twice: the inner one's end is not the outer one's.
#[transaction]
async fn nested() -> Result<ErrorKind> {
    let done = outlast::sqlite(|connection| {
        outlast::sqlite(|inner| inner.execute_batch("CREATE TABLE mine (a)")).unwrap();
        connection.execute_batch("DELETE FROM outlast_executions")
    });
    Ok(done.unwrap_err().kind())
}

#[durable]
async fn nests() -> Result<ErrorKind> {
    nested().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_within_another_is_guarded_to_the_end() {
    let (app, _folder) = app().await;
    assert_eq!(app.scope(async { nests().await }).await.unwrap(), ErrorKind::Unsupported);
}

#[durable]
async fn outside() -> Result<ErrorKind> {
    Ok(outlast::sqlite(|_| Ok(())).unwrap_err().kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_a_transaction_there_is_no_connection() {
    let (app, _folder) = app().await;
    assert_eq!(app.scope(async { outside().await }).await.unwrap(), ErrorKind::Misplaced);
    assert_eq!(outlast::sqlite(|_| Ok(())).unwrap_err().kind(), ErrorKind::Misplaced);
}
