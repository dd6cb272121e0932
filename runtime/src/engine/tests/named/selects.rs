//! Branches that are tried in written order: a draw would be silently wrong as soon as one poll moves two of them.

use futures::FutureExt;
use tokio::sync::oneshot;

use super::{fast, holds};
use crate::{Result, durable};

#[durable]
async fn same_step_in_two_branches() -> Result<u64> {
    Ok(tokio::select! {
        _ = async { fast(1).await } => 1,
        _ = async { fast(1).await } => 2,
    })
}

#[test]
fn a_select_of_blocks_that_call_the_same_step() {
    holds("same_step_in_two_branches");
}

#[durable]
async fn same_step_called_before() -> Result<u64> {
    Ok(tokio::select! {
        _ = fast(1) => 1,
        _ = fast(1) => 2,
    })
}

#[test]
fn a_select_over_equal_calls_made_before_it() {
    holds("same_step_called_before");
}

#[durable]
async fn same_step_with_other_arguments() -> Result<u64> {
    Ok(tokio::select! {
        _ = async { fast(1).await } => 1,
        _ = async { fast(2).await } => 2,
    })
}

#[test]
fn a_select_of_blocks_that_call_the_same_step_with_other_arguments() {
    holds("same_step_with_other_arguments");
}

#[durable]
async fn clones_of_one_shared() -> Result<u64> {
    let one = fast(1).map(|came| came.map_err(drop)).shared();
    Ok(tokio::select! {
        _ = one.clone() => 1,
        _ = one.clone() => 2,
    })
}

#[test]
fn a_select_over_clones_of_one_shared_takes_the_first_written() {
    assert!(holds("clones_of_one_shared").iter().all(|branch| *branch == 1));
}

#[durable]
async fn one_outcome_for_two_channels() -> Result<u64> {
    let (one, first) = oneshot::channel::<()>();
    let (other, second) = oneshot::channel::<()>();
    let (branch, ()) = tokio::join!(
        async {
            tokio::select! {
                _ = first => 1,
                _ = second => 2,
            }
        },
        async {
            let _ = fast(1).await;
            let _ = one.send(());
            let _ = other.send(());
        }
    );
    Ok(branch)
}

#[test]
fn a_select_over_two_channels_that_one_outcome_feeds_takes_the_first_written() {
    assert!(holds("one_outcome_for_two_channels").iter().all(|branch| *branch == 1));
}

#[durable]
async fn two_ready_futures() -> Result<u64> {
    let _ = fast(1).await;
    Ok(tokio::select! {
        () = std::future::ready(()) => 1,
        () = std::future::ready(()) => 2,
    })
}

#[test]
fn a_select_over_two_ready_futures_takes_the_first_written() {
    assert!(holds("two_ready_futures").iter().all(|branch| *branch == 1));
}

#[durable]
async fn two_ready_futures_of_futures() -> Result<u64> {
    let _ = fast(1).await;
    Ok(futures::select_biased! {
        () = futures::future::ready(()) => 1,
        () = futures::future::ready(()) => 2,
    })
}

#[test]
fn a_select_biased_of_futures_takes_the_first_written() {
    assert!(holds("two_ready_futures_of_futures").iter().all(|branch| *branch == 1));
}

/// A helper isn't seen by the attribute.
async fn first_of_two() -> u64 {
    crate::select! {
        () = std::future::ready(()) => 1,
        () = std::future::ready(()) => 2,
    }
}

#[durable]
async fn helper_with_a_select() -> Result<u64> {
    let _ = fast(1).await;
    Ok(first_of_two().await)
}

#[test]
fn a_select_of_outlast_in_a_helper_takes_the_first_written() {
    assert!(holds("helper_with_a_select").iter().all(|branch| *branch == 1));
}

#[durable]
async fn values_drawn_in_two_branches() -> Result<u64> {
    let _ = fast(1).await;
    Ok(tokio::select! {
        value = async { crate::random::<u64>() / 4 } => value,
        value = async { crate::random::<u64>() / 4 } => value + 1,
    })
}

#[test]
fn a_select_over_two_drawn_values_draws_one() {
    holds("values_drawn_in_two_branches");
}

#[durable]
async fn select_around_a_join_that_one_outcome_moves_twice() -> Result<u64> {
    let side = fast(3);
    let first = fast(2);
    let mut both = Box::pin(async {
        let one = first.map(|came| came.map_err(drop)).shared();
        tokio::join!(
            async {
                let _ = one.clone().await;
                fast(1).await
            },
            async {
                let _ = one.clone().await;
                fast(1).await
            }
        )
    });
    tokio::select! {
        _ = &mut both => Ok(1),
        value = side => {
            let (a, b) = both.await;
            Ok(value? + a? * 1_000 + b?)
        }
    }
}

#[test]
fn a_select_around_a_join_that_one_outcome_moves_twice() {
    holds("select_around_a_join_that_one_outcome_moves_twice");
}

#[durable]
async fn branches_tried_again_in_a_loop() -> Result<u64> {
    let (mut one, mut other) = (fast(1), fast(2));
    let (mut first, mut second) = (None, None);
    let mut order = 0;
    while first.is_none() || second.is_none() {
        tokio::select! {
            came = &mut one, if first.is_none() => { first = Some(came?); order = order * 10 + 1; }
            came = &mut other, if second.is_none() => { second = Some(came?); order = order * 10 + 2; }
        }
        fast(order).await?;
    }
    Ok(order)
}

#[test]
fn a_select_by_reference_in_a_loop() {
    assert!(holds("branches_tried_again_in_a_loop").iter().all(|order| [12, 21].contains(order)));
}
