//! What every store must keep, as named checks: each opens stores of its own, and is followed by a sweep over the whole
//! store for the invariants that `store.rs` lists.
//!
//! A check names what it holds a store to; it knows nothing of how a store does it.

pub(crate) mod case;
mod claims;
mod documents;
mod ends;
mod inbox;
mod purging;
mod record;
mod transactions;
mod views;

use std::sync::Arc;

use super::{BoxFuture, Store, WorkerId};
use crate::error::Result;

/// Where the suite gets its stores from.
pub(crate) trait Stores: Send + Sync + 'static {
    /// A new, empty store.
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Store>>>;

    /// Another handle on a store, as another process would have it. A store that can only be shared within its process
    /// gives the same handle.
    fn second(&self, store: Arc<dyn Store>) -> BoxFuture<'_, Result<Arc<dyn Store>>>;

    /// Lets a worker look dead to others; its handle still tries to write.
    fn kill(&self, store: &Arc<dyn Store>, worker: &WorkerId);

    /// Lets the workers of a handle look hung to others, within a second; the handle still tries to write.
    fn hang(&self, store: &Arc<dyn Store>);
}

type Check = fn(case::Case) -> BoxFuture<'static, Result<()>>;

macro_rules! checks {
    ($($room:ident: $($name:ident),+;)+) => {
        &[$($((stringify!($name), |case| Box::pin($room::$name(case)))),+),+]
    };
}

const CHECKS: &[(&str, Check)] = checks! {
    claims: an_id_is_created_once, another_call_under_an_id_is_a_mismatch, a_creation_can_claim_at_once,
        a_later_start_is_kept, a_worker_claims_only_what_it_has, the_oldest_is_claimed_first,
        an_execution_has_one_owner, each_claim_raises_the_epoch, a_claim_brings_all_that_is_needed,
        what_a_leaving_worker_owned_is_due, what_a_dead_worker_owned_is_taken_back,
        what_a_hung_worker_owned_is_taken_back, a_worker_is_fenced_after_its_sweep,
        crashes_count_until_there_is_a_row;
    record: rows_are_in_order_without_a_gap, another_epoch_changes_nothing,
        a_claim_that_ended_is_fenced_beside_later_ones, stamps_never_fall,
        attempts_stay_until_their_outcome, all_kinds_of_rows_come_back;
    ends: an_end_is_final, a_parked_execution_waits_for_resume, a_parked_execution_waits_for_another_build,
        a_released_execution_waits_for_its_time, watchers_hear_of_an_end_once, a_late_watcher_hears_at_once,
        an_end_and_its_message_are_one, children_are_those_that_were_created;
    inbox: a_message_is_taken_once, messages_keep_their_order, a_message_makes_a_waiting_execution_due,
        a_message_before_the_release_makes_it_due, an_owner_hears_of_its_messages, only_a_cancellation_wakes_a_parked_one,
        a_cancellation_before_parking_wakes_it, a_signal_leaves_a_later_start_alone, a_message_needs_an_execution,
        an_inbox_is_bounded_but_for_a_cancellation;
    transactions: writes_and_row_are_one, a_rollback_keeps_only_its_row, a_retry_leaves_nothing,
        a_panic_undoes_its_writes_alone, a_wait_for_something_else_is_undone, a_body_sees_its_own_writes,
        a_fenced_body_is_not_kept, an_operation_outside_its_body_is_misplaced;
    documents: documents_come_back_byte_for_byte, an_id_stands_for_one_document, equal_numbers_are_one_id,
        documents_are_found_in_order, an_update_changes_the_first_match, a_removal_takes_one_match,
        what_is_not_offered_is_said, a_document_has_a_limit;
    purging: what_ended_long_ago_is_a_tombstone, a_tombstone_is_forgotten, children_are_kept_for_their_parent;
    views: a_list_has_pages, a_list_can_be_narrowed, details_show_everything, changes_are_announced_to_all_handles,
        ends_can_be_asked_for, a_report_has_facts, a_closed_store_says_so;
};

/// Runs all checks. Panics at the first that fails, with its name on standard error.
pub(super) async fn run(stores: Arc<dyn Stores>) -> Result<()> {
    for (name, check) in CHECKS {
        run_one(name, *check, stores.clone()).await?;
    }
    Ok(())
}

async fn run_one(name: &str, check: Check, stores: Arc<dyn Stores>) -> Result<()> {
    let case = case::Case::new(stores).await?;
    let store = case.store.clone();
    let done = tokio::spawn(async move {
        check(case).await?;
        case::sound(&*store).await?;
        store.close().await;
        Ok(())
    });
    match done.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            eprintln!("the check {name} failed: {error:?}");
            Err(error)
        }
        Err(panic) => {
            eprintln!("the check {name} failed");
            std::panic::resume_unwind(panic.into_panic())
        }
    }
}
