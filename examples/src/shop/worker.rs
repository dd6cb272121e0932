//! The worker process: runs checkouts until all have a receipt. It knows nothing of being killed.

use std::io::Write;
use std::path::Path;

use outlast::{App, Error, Result};
use tokio::task::JoinSet;

use crate::checkout::checkout;
use crate::outside::Outside;
use crate::purchases::Purchase;

/// Checkouts at a time: enough to be cut off in the middle, few enough to leave some undone.
const AT_A_TIME: usize = 64;

/// The shop's app: one `SQLite` file in its folder.
pub(crate) fn app(folder: &Path) -> Result<App> {
    match folder.to_str() {
        Some(folder) => Ok(App::new().store(format!("sqlite://{folder}/shop.db"))),
        None => Err(Error::new(format!("the folder {} has a name that is no UTF-8: name another", folder.display()))),
    }
}

/// Calls a checkout for every purchase, and says on standard output whose receipt is there.
///
/// A worker that comes after another one calls them all again: by the same id a call joins the execution that is under
/// way, or gets the receipt that is there.
pub(crate) async fn work(folder: &Path, number: u32, purchases: Vec<Purchase>) -> Result<()> {
    let running = app(folder)?.state(Outside::open(folder, number)?).start().await?;
    let mut waiting = purchases.into_iter();
    let mut under_way = JoinSet::new();
    loop {
        for purchase in waiting.by_ref().take(AT_A_TIME - under_way.len()) {
            let id = purchase.id.clone();
            under_way.spawn(async move { checkout(purchase).id(id).await });
        }
        let Some(receipt) = under_way.join_next().await else { break };
        // Fails when nobody listens any more: then nobody waits for receipts either.
        writeln!(std::io::stdout(), "{}", receipt??.purchase.id)?;
    }
    running.shutdown().await;
    Ok(())
}
