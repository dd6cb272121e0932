//! The way out to the driver of the store that the app at hand has.

use mongodb::Database;

use crate::engine::{self, AtHand};
use crate::error::Result;
use crate::store::mongodb::database_of;

/// The driver's handle of the database that the store is in, for what [`collection`](crate::collection) doesn't offer.
///
/// In steps, in transactions (with the [`session`](crate::mongodb::session)) and outside executions: what is done with it
/// is the program's own business, and nothing of it is recorded. Reads and writes have the concerns that the URI names.
/// Keep away from collections whose names begin with `outlast.`.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[step]
/// async fn cities() -> Result<u64> {
///     let people = outlast::mongodb::database()?.collection::<outlast::bson::Document>("people");
///     let mut cities = people.aggregate([doc! { "$group": { "_id": "$city" } }]).await?;
///     let mut count = 0;
///     while cities.advance().await? {
///         count += 1;
///     }
///     Ok(count)
/// }
/// ```
///
/// # Errors
/// [`ErrorKind::Misplaced`](crate::ErrorKind::Misplaced) in the body of a durable function, where an unrecorded operation
/// would break a replay; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on the embedded store.
pub fn database() -> Result<Database> {
    let AtHand { store, in_transaction } = engine::at_hand("outlast::mongodb::database")?;
    database_of(&*store, in_transaction)
}
