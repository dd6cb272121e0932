//! The way out to SQLite itself: the body of a `#[transaction]` may use the connection that it runs on, for tables of the
//! application's own in the same file.
//!
//! What it writes commits with the transaction's record, or not at all. What would break that is refused when the
//! statement is compiled: ending the transaction, other files, pragmas, and writes to the store's own tables, whose names
//! all begin with `outlast_`.

use std::cell::Cell;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode};

use super::bodies;
use super::failure::Failure;
use crate::error::{Error, ErrorKind, Result};

/// How the names of the store's own tables and indexes begin: any other name is the application's.
const OWN: &str = "outlast_";

thread_local! {
    /// The connection of this thread is in the hands of a user's code.
    static LENT: Cell<bool> = const { Cell::new(false) };
}

/// Puts back what was before, also when the code panics.
struct Lent {
    before: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.set(self.before);
    }
}

/// Runs `run` with the connection of the transaction whose body calls it.
///
/// Only inside a `#[transaction]` on the embedded store. The application's tables may be created here, too. In `run`
/// statements are refused that end the transaction, open other files or change settings, or that write to the tables of
/// the store itself: those whose names begin with `outlast_`. Give the connection no longer than `run` takes, and wait for
/// nothing in it.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[transaction]
/// async fn book(account: &str, cents: i64) -> Result<()> {
///     outlast::sqlite(|connection| {
///         connection.execute("UPDATE accounts SET cents = cents + ?2 WHERE id = ?1", (account, cents))
///     })?;
///     collection::<outlast::bson::Document>("bookings").insert_one(doc! { "account": account, "cents": cents }).await?;
///     Ok(())
/// }
/// ```
///
/// # Errors
/// What `run` gives; [`ErrorKind::Misplaced`] anywhere else than in a transaction on the embedded store;
/// [`ErrorKind::Unsupported`] for a statement that is refused.
pub fn sqlite<T>(run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
    let Some(inside) = bodies::inside() else {
        return Err(Error::of(
            ErrorKind::Misplaced,
            "SQLite's connection is there inside a `#[transaction]` on the embedded store alone: call `outlast::sqlite` in \
             the transaction's own body",
        )
        .into_terminal());
    };
    let done = {
        let _lent = Lent { before: LENT.replace(true) };
        inside.lent.set(true);
        run(&inside.connection)
    };
    if inside.connection.is_autocommit() {
        // A failure of the file took the whole group back, whatever the closure made of it.
        return Err(inside.failed(Failure::Other("a failing statement ended the transaction".into())));
    }
    done.map_err(|error| match (error.sqlite_error_code(), Failure::from_ref(&error)) {
        (Some(ErrorCode::AuthorizationForStatementDenied), _) => Error::of(
            ErrorKind::Unsupported,
            format!(
                "{error}: in `outlast::sqlite` no statement may end the transaction, open another file, change a setting, or \
                 touch the names that begin with `outlast_`, the store's own"
            ),
        )
        .into_terminal(),
        (Some(_), failure @ (Failure::Full | Failure::Busy | Failure::ReadOnly | Failure::Io(_) | Failure::Damaged(_))) => {
            inside.failed(failure)
        }
        _ => error.into(),
    })
}

/// Has the connection's statements looked at while user's code has it.
pub(super) fn guard(connection: &mut Connection) -> Result<(), Failure> {
    Ok(connection.authorizer(Some(|context: AuthContext<'_>| {
        if LENT.get() && !is_allowed(context.action) { Authorization::Deny } else { Authorization::Allow }
    }))?)
}

fn is_allowed(action: AuthAction<'_>) -> bool {
    match action {
        AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. } => false,
        AuthAction::Insert { table_name: name }
        | AuthAction::Update { table_name: name, .. }
        | AuthAction::Delete { table_name: name }
        | AuthAction::AlterTable { table_name: name, .. }
        | AuthAction::CreateTable { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::CreateView { view_name: name } => !is_own(name),
        AuthAction::CreateIndex { table_name, index_name: name }
        | AuthAction::DropIndex { table_name, index_name: name }
        | AuthAction::CreateTrigger { table_name, trigger_name: name }
        | AuthAction::DropTrigger { table_name, trigger_name: name }
        | AuthAction::CreateTempTrigger { table_name, trigger_name: name } => !is_own(table_name) && !is_own(name),
        _ => true,
    }
}

fn is_own(name: &str) -> bool {
    name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
}
