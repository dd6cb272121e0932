//! One outcome at a time, in order; what is refused waits until its operation is polled again or another is taken.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::super::harness::{PARKING, Post, RUNTIME, WAITING};
use super::super::probe::{Came, Death, Plan};
use super::super::program::Hesitant;
use super::{dice, fast, holds, live, returned, slow};
use crate::engine::Step;
use crate::store::{Row, RowKind};
use crate::{Result, durable, step};

#[durable]
async fn early_operation_beside_a_join() -> Result<u64> {
    let mut early = fast(0);
    let _ = (&mut early).now_or_never();
    let (one, first) = oneshot::channel::<()>();
    let (other, second) = oneshot::channel::<()>();
    let (x, y, ()) = tokio::join!(
        async {
            let _ = first.await;
            fast(1).await
        },
        async {
            let _ = second.await;
            fast(1).await
        },
        async {
            let _ = fast(5).await;
            let _ = fast(6).await;
            let _ = one.send(());
            let _ = other.send(());
        }
    );
    Ok(x? * 1_000_000 + y? * 1_000 + early.await?)
}

/// `join!` begins with another branch at each poll: one poll more, and two branches that one outcome wakes call the same
/// step in the other order.
#[test]
fn a_refused_outcome_costs_no_further_poll_at_later_commits() {
    holds("early_operation_beside_a_join");
}

#[durable]
async fn early_operation_awaited_last() -> Result<u64> {
    let mut early = fast(0);
    let _ = (&mut early).now_or_never();
    fast(1).await?;
    fast(2).await?;
    early.await
}

#[test]
fn bodies_start_though_a_refused_outcome_is_left() {
    holds("early_operation_awaited_last");
}

#[durable]
async fn messages_over_a_channel() -> Result<u64> {
    let (sender, mut receiver) = mpsc::channel::<u64>(1);
    fast(1).await?;
    let ((), count) = tokio::join!(
        async move {
            for number in 0..500 {
                let _ = sender.send(number).await;
            }
        },
        async {
            let mut count = 0;
            while receiver.recv().await.is_some() {
                count += 1;
            }
            count
        }
    );
    fast(2).await?;
    Ok(count)
}

#[test]
fn five_hundred_messages_in_one_poll_are_not_cut_short_by_a_budget() {
    assert!(holds("messages_over_a_channel").iter().all(|received| *received == 500));
}

#[durable]
async fn thousand_early_operations(number: u64) -> Result<u64> {
    let mut early: Vec<Step<Result<u64>>> = (0..number).map(fast).collect();
    for operation in &mut early {
        let _ = operation.now_or_never();
    }
    for later in 0..number {
        fast(later).await?;
    }
    Ok(join_all(early).await.len() as u64)
}

#[test]
fn a_thousand_refused_outcomes_cost_a_few_polls_each() {
    let (called, ended) = live(&WAITING, "thousand_early_operations", 1_000.into());
    assert_eq!(returned(&ended), 1_000);
    let replayed = WAITING.replay(&called, &ended, ended.record().to_vec());
    assert_eq!(ended.record().len(), 2_000);
    for run in ended.runs.iter().chain([&replayed]) {
        // One when it is refused, one when it is taken; `join_all` of so many wakes itself now and then.
        assert!(run.polls < 6_000, "{} polls", run.polls);
    }
}

#[durable]
async fn hesitant_operation() -> Result<u64> {
    let one = Hesitant::new(fast(1)).await?;
    let (two, three) = tokio::join!(Hesitant::new(fast(2)), fast(3));
    Ok(one + two? + three?)
}

#[test]
fn an_offer_stands_while_the_poll_wakes_itself() {
    holds("hesitant_operation");
}

#[durable]
async fn step_by_step_beside_a_crowd() -> Result<u64> {
    // More branches than `join_all` polls itself: they are polled when they are woken, and in turns.
    let all = join_all((0..40).map(|branch| async move {
        let first = fast(branch % 2).await?;
        fast(first % 3).await
    }));
    let mut sum = 0;
    for one in all.await {
        sum = (sum * 31 + one?) % 1_000_003;
    }
    Ok(sum)
}

#[test]
fn a_crowd_of_branches_that_call_the_same_steps() {
    holds("step_by_step_beside_a_crowd");
}

static SLOW: AtomicU32 = AtomicU32::new(0);

#[step]
async fn slow_and_counted() -> Result<u64> {
    SLOW.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    Ok(0)
}

#[durable]
async fn slow_step_that_loses() -> Result<u64> {
    let value = tokio::select! {
        _ = slow_and_counted() => 0,
        value = fast(1) => value?,
    };
    slow(2).await?;
    Ok(value)
}

/// The slow step is called and polled by every replay, and dropped before the recorded outcomes are through.
#[test]
fn a_body_that_replay_gives_up_never_starts() {
    let (called, ended) = live(&WAITING, "slow_step_that_loses", serde_json::Value::Null);
    returned(&ended);
    let before = SLOW.load(Ordering::SeqCst);
    assert!(before <= 1, "the second claim replayed it all");
    let first = ended.record()[..1].to_vec();
    let on = RUNTIME.block_on(WAITING.go_on(&called, &ended, &first, Plan::default(), Post::NONE, &mut dice()));
    returned(&on);
    assert_eq!(SLOW.load(Ordering::SeqCst), before, "the outcome that drops it had to be offered first");
    assert!(on.runs[0].started.iter().all(|(_, key)| &*key.name != "slow_and_counted"), "{:?}", on.runs[0].started);
}

#[durable]
async fn steps_in_order_of_places() -> Result<u64> {
    let (one, two, three) = (fast(1), fast(2), fast(3));
    // Polled in another order than called.
    let (three, one, two) = tokio::join!(three, one, two);
    Ok(one? + two? + three?)
}

#[test]
fn bodies_start_in_the_order_of_their_places() {
    let (_, ended) = live(&WAITING, "steps_in_order_of_places", serde_json::Value::Null);
    let called: Vec<_> = ended.runs[0].trace.iter().filter(|word| word.starts_with("call")).cloned().collect();
    let started = &ended.runs[0].started;
    assert_eq!(started.len(), 3);
    for ((_, key), call) in started.iter().zip(called) {
        let digest = format!("/{:02x}{:02x}#", key.digest.0[0], key.digest.0[1]);
        assert!(call.contains(&digest), "{call} is the next place, {key:?} was started");
    }
}

#[durable]
async fn loser_with_an_outcome() -> Result<u64> {
    let mut sum = 0;
    for round in 0..4 {
        sum += tokio::select! {
            value = fast(round) => value?,
            value = fast(round) => value?,
        };
        let (a, b) = tokio::join!(fast(10), fast(10));
        sum += a? * 3 + b?;
    }
    Ok(sum)
}

#[test]
fn the_outcome_of_a_dropped_operation_is_skipped_without_a_poll() {
    holds("loser_with_an_outcome");
    // Made certain: the loser's outcome is in the record, behind the winner's, or as the last one.
    let (called, ended) = live(&WAITING, "loser_with_an_outcome", serde_json::Value::Null);
    let mut without = ended.record().to_vec();
    let winner = without[0].clone();
    let mut loser = winner.clone();
    let RowKind::Outcome(outcome) = &mut loser.kind else { panic!("{loser:?}") };
    outcome.key.ordinal = 1 - outcome.key.ordinal;
    let key = outcome.key.clone();
    without.retain(|row| !matches!(&row.kind, RowKind::Outcome(outcome) if outcome.key == key));
    let replay = |record: &[Row]| WAITING.replay(&called, &ended, record.to_vec());
    let alone = replay(&without);
    assert_eq!(alone.came, ended.last().came);
    for place in [1, without.len() - 1] {
        let mut with = without.clone();
        with.insert(place, loser.clone());
        let replayed = replay(&with);
        assert_eq!((&replayed.trace, replayed.polls), (&alone.trace, alone.polls));
    }
}

#[durable]
async fn three_in_a_row() -> Result<u64> {
    let one = fast(1).await?;
    let two = fast(one % 7).await?;
    fast(two % 7).await
}

#[test]
fn a_worker_that_dies_at_any_event_loses_nothing_that_was_recorded() {
    let called = WAITING.call("three_in_a_row", serde_json::Value::Null);
    for event in 1..8 {
        for handled in [true, false] {
            let plan = Plan { deaths: [Death { event, handled }].into(), lost_ends: 1, ..Plan::default() };
            let ended = RUNTIME.block_on(WAITING.run(&called, plan, Post::NONE, &mut dice()));
            returned(&ended);
            assert_eq!(ended.record().len(), 3, "dead at event {event}");
            for run in &ended.runs {
                assert!(run.started.iter().all(|key| !run.recorded.contains(key)));
                assert!(!matches!(run.came, Some(Came::Fault(_))), "{run:?}");
            }
        }
    }
}

#[durable]
async fn waits_in_between() -> Result<u64> {
    let one = fast(1).await?;
    crate::sleep("100ms").await?;
    let two = fast(one % 7).await?;
    crate::sleep("100ms").await?;
    Ok(one * 10_000 + two)
}

#[test]
fn an_execution_that_was_put_away_goes_on_as_it_was() {
    let (_, ended) = live(&PARKING, "waits_in_between", serde_json::Value::Null);
    returned(&ended);
    assert!(ended.runs.len() >= 4, "put away twice, and replayed once more: {} claims", ended.runs.len());
    holds("waits_in_between");
}
