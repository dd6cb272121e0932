//! What is kept of what has ended, and for how long.

use std::time::Duration;

use super::case::{Case, call, eventually, id, signal, step, succeeded};
use crate::error::{ErrorKind, Result};
use crate::store::{Created, NewExecution, Retention, Write};

const LONG: Duration = Duration::from_secs(365 * 24 * 3600);

impl Case {
    /// Purges until a condition holds.
    async fn purge_until_gone(&self, name: &str, retention: Retention) -> Result<()> {
        eventually("it is purged", || async {
            while self.store.purge(retention).await? {}
            Ok(self.store.details(id(name)).await?.is_none())
        })
        .await
    }
}

pub(super) async fn what_ended_long_ago_is_a_tombstone(case: Case) -> Result<()> {
    for number in 0..250_u8 {
        let claimed = case.owned_call(call(&format!("old-{number}"), number)).await?;
        case.must(&claimed, step("one", 1)).await?;
        case.must(&claimed, Write::End(succeeded(number))).await?;
    }
    let open = case.owned_call(call("open", 1)).await?;
    case.must(&open, step("one", 1)).await?;
    while case.store.purge(Retention { executions: LONG, tombstones: LONG }).await? {}
    assert_eq!(case.details("old-0").await?.record.len(), 1, "not before its time");
    let retention = Retention { executions: Duration::ZERO, tombstones: LONG };
    case.purge_until_gone("old-249", retention).await?;
    assert!(case.store.details(id("old-0")).await?.is_none());
    assert!(matches!(case.store.create(call("old-0", 0)).await?, Created::Expired(true)));
    assert!(matches!(case.store.create(call("old-0", 9)).await?, Created::Expired(false)));
    let posted = case.store.post(id("old-0"), signal("m", "rating")).await;
    assert_eq!(posted.err().map(|error| error.kind()), Some(ErrorKind::Expired));
    let asked = case.store.finished(vec![id("old-0")]).await?;
    assert_eq!(asked[0].1.as_ref().err().map(crate::Error::kind), Some(ErrorKind::Expired));
    assert_eq!(case.details("open").await?.record.len(), 1, "what hasn't ended stays");
    Ok(())
}

pub(super) async fn a_tombstone_is_forgotten(case: Case) -> Result<()> {
    let claimed = case.owned_call(call("old", 1)).await?;
    case.must(&claimed, step("one", 1)).await?;
    case.must(&claimed, Write::End(succeeded(1))).await?;
    let retention = Retention { executions: Duration::ZERO, tombstones: Duration::ZERO };
    case.purge_until_gone("old", retention).await?;
    while case.store.purge(retention).await? {}
    assert!(matches!(case.store.create(call("old", 2)).await?, Created::New(None)), "the id is free again");
    assert!(case.claim().await?.record.is_empty(), "nothing is left of the first");
    Ok(())
}

pub(super) async fn children_are_kept_for_their_parent(case: Case) -> Result<()> {
    let parent = case.owned_call(call("parent", 1)).await?;
    for (name, parent) in [("child", Some(id("parent"))), ("stranger", None)] {
        let claimed = case.owned_call(NewExecution { parent, ..call(name, 2) }).await?;
        case.must(&claimed, Write::End(succeeded(1))).await?;
    }
    let retention = Retention { executions: Duration::ZERO, tombstones: LONG };
    case.purge_until_gone("stranger", retention).await?;
    assert!(case.store.details(id("child")).await?.is_some(), "its parent is unfinished");
    case.must(&parent, Write::End(succeeded(1))).await?;
    case.purge_until_gone("child", retention).await
}
