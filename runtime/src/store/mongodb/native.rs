//! The way out to the driver: the body of a `#[transaction]` may use the session that it runs in, for what outlast has no
//! words for.

use std::any::Any;

use mongodb::{ClientSession, Database};

use super::{MongoStore, bodies};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

/// Runs `run` with the driver's session of the transaction whose body calls it.
///
/// What is done with the session commits with the transaction's record, or not at all, as what a
/// [`collection`](crate::collection) does there. Give the session no longer than `run` takes, leave beginning and ending
/// the transaction to outlast, and await no other operation in `run`. An error of the server undoes the transaction, so
/// give it back (`?`); one that is marked as passing makes the body anew. A `run` that goes on after an error is begun
/// anew a few times and then fails.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[transaction]
/// async fn total(account: &str) -> Result<i64> {
///     let bookings = outlast::mongodb::database()?.collection::<outlast::bson::Document>("bookings");
///     let stages = vec![
///         doc! { "$match": { "account": account } },
///         doc! { "$group": { "_id": null, "cents": { "$sum": "$cents" } } },
///     ];
///     let sum = outlast::mongodb::session(async |session| {
///         let mut found = bookings.aggregate(stages).session(&mut *session).await?;
///         Ok(found.next(session).await.transpose()?)
///     });
///     let cents = sum.await?.map_or(0, |sum| sum.get_i64("cents").unwrap_or_default());
///     collection::<outlast::bson::Document>("totals").insert_one(doc! { "account": account, "cents": cents }).await?;
///     Ok(cents)
/// }
/// ```
///
/// # Errors
/// What `run` gives; [`ErrorKind::Misplaced`] outside a transaction, where the driver's operations need no session:
/// [`database`](crate::mongodb::database); [`ErrorKind::Unsupported`] on the embedded store.
pub async fn session<T>(run: impl AsyncFnOnce(&mut ClientSession) -> Result<T>) -> Result<T> {
    let Some(inside) = bodies::inside() else { return Err(without_session()) };
    inside.lend(run).await
}

fn without_session() -> Error {
    let error = if crate::data::current().is_some() {
        not_mongodb("session")
    } else {
        Error::of(
            ErrorKind::Misplaced,
            "there is no transaction here whose session could be given: call `outlast::mongodb::session` in the body of a \
             `#[transaction]`; outside one `outlast::mongodb::database` needs no session",
        )
    };
    error.into_terminal()
}

fn not_mongodb(what: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!(
            "the store isn't MongoDB, so there is no `outlast::mongodb::{what}`: set OUTLAST_STORE to mongodb://…, or use \
             `collection`, which every store has"
        ),
    )
}

/// The database of a store, with the concerns of its URI, or with outlast's own for a transaction.
pub(crate) fn database_of(store: &dyn Store, in_transaction: bool) -> Result<Database> {
    let any: &dyn Any = store.as_any();
    let Some(store) = any.downcast_ref::<MongoStore>() else { return Err(not_mongodb("database").into_terminal()) };
    Ok(if in_transaction { store.shared.own.clone() } else { store.shared.plain.clone() })
}
