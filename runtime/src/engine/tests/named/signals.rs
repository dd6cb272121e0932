//! Signals are arrivals: numbered by the execution's owner, offered in the order of places, never lost to a loser.

use std::time::Duration;

use super::super::harness::{PARKING, Post, RUNTIME, WAITING, World};
use super::super::probe::{self, Plan};
use super::{LIVES, dice, fast, holds_with, returned};
use crate::engine::held::Held;
use crate::engine::lane::Event;
use crate::engine::timers::Due;
use crate::store::{Message, MessageBody, RowKind};
use crate::{Result, durable};

const ONE: Post = Post { names: &["rating"], early: 1, late: false };
const FIVE: Post = Post { names: &["green", "red"], early: 5, late: true };

#[durable]
async fn reminded_once() -> Result<u64> {
    let first = tokio::select! {
        _ = crate::sleep("1ms") => None,
        rating = crate::signal::<u64>("rating") => Some(rating?),
    };
    if let Some(rating) = first {
        return Ok(rating);
    }
    fast(1).await?;
    crate::signal::<u64>("rating").await
}

/// The one signal comes at about the time of the timer: whoever loses, it is still there for the second wait.
#[test]
fn the_loser_of_a_select_never_consumes_a_signal() {
    for world in [&*WAITING, &*PARKING] {
        let called = world.call("reminded_once", serde_json::Value::Null);
        let plan = || Plan { lost_ends: 1, ..Plan::default() };
        let lives = (0..2 * LIVES).map(|_| async {
            let ended = world.run(&called, plan(), ONE, &mut dice()).await;
            assert!(ended.finished.is_ok(), "{:?} with {:?}", ended.finished, ended.record());
            let sent = ended.record().iter().find_map(|row| match &row.kind {
                RowKind::Arrival { payload, .. } => Some(crate::encoding::decode::<u64>(payload).unwrap()),
                RowKind::Outcome(_) | RowKind::Cancel { .. } | RowKind::Deadline => None,
            });
            assert_eq!(Some(returned(&ended)), sent);
        });
        RUNTIME.block_on(futures::future::join_all(lives));
    }
    holds_with("reminded_once", serde_json::Value::Null, ONE);
}

#[durable]
async fn timeouts_and_losers() -> Result<u64> {
    let mut sum = 0;
    for round in 0..3 {
        sum += crate::signal::<u64>("green").timeout("1ms").await?.unwrap_or(500);
        sum += tokio::select! {
            red = crate::signal::<u64>("red") => red?,
            green = crate::signal::<u64>("green").timeout("2ms") => green?.unwrap_or(600),
            value = fast(round) => value?,
        };
    }
    Ok(sum)
}

#[test]
fn a_signal_that_comes_with_a_timeout_is_taken_once_or_not_at_all() {
    holds_with("timeouts_and_losers", serde_json::Value::Null, FIVE);
}

#[durable]
async fn signals_beside_steps() -> Result<u64> {
    let (a, b, c) = tokio::join!(
        async {
            let green = crate::signal::<u64>("green").await?;
            fast(green % 3).await
        },
        async {
            let one = fast(1).await?;
            fast(one % 3).await
        },
        async {
            let red = crate::signal::<u64>("red").await?;
            fast(red % 3).await
        }
    );
    Ok(a? + b? * 3 + c? * 7)
}

/// Sent while outcomes are on their way into the record: what is offered first is what the record has first.
#[test]
fn arrivals_are_numbered_by_the_owner_and_offered_after_their_commit() {
    holds_with("signals_beside_steps", serde_json::Value::Null, FIVE);
}

#[durable]
async fn three_wait_for_one_name() -> Result<u64> {
    let (one, two, three) = (signal("rating"), signal("rating"), signal("rating"));
    // Awaited in another order than called.
    let (three, one, two) = tokio::join!(three, one, two);
    Ok(one? * 10_000 + two? * 100 + three?)
}

fn signal(name: &str) -> crate::Signal<u64> {
    crate::signal(name)
}

/// Sends these one after the other, and gives what came of them.
fn run_with(world: &World, function: &str, values: &[(&str, u64)]) -> super::Ended {
    let called = world.call(function, serde_json::Value::Null);
    let new = world.new_execution(&called, 1);
    let id = new.id.clone();
    RUNTIME.block_on(async {
        let watched = probe::watch(&id, Plan { lost_ends: 1, ..Plan::default() });
        let waiting = world.begin(new).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        for (name, value) in values {
            world.signal(&id, name, *value).await;
        }
        world.end(id, 1, &watched, waiting, Post::NONE, &mut dice()).await
    })
}

#[test]
fn several_signals_of_a_name_go_to_the_waiting_in_the_order_of_their_places() {
    for world in [&*WAITING, &*PARKING] {
        let ended = run_with(world, "three_wait_for_one_name", &[("rating", 1), ("rating", 2), ("rating", 3)]);
        assert_eq!(returned(&ended), 10_203);
    }
}

#[durable]
async fn waits_for_one_of_many() -> Result<u64> {
    fast(1).await?;
    let rating = crate::signal::<u64>("rating").await?;
    fast(2).await?;
    Ok(rating)
}

#[test]
fn a_signal_that_nobody_takes_is_no_divergence() {
    let sent = [("nobody", 1), ("rating", 2), ("rating", 3), ("nobody", 4)];
    for world in [&*WAITING, &*PARKING] {
        let ended = run_with(world, "waits_for_one_of_many", &sent);
        assert_eq!(returned(&ended), 2);
    }
}

#[durable]
async fn waits_late() -> Result<u64> {
    super::slow(30).await?;
    crate::signal("rating").await
}

#[test]
fn a_signal_sent_before_anyone_waits_is_kept() {
    for world in [&*WAITING, &*PARKING] {
        assert_eq!(returned(&run_with(world, "waits_late", &[("rating", 7)])), 7);
    }
}

#[durable]
async fn waits_twice() -> Result<u64> {
    let first = crate::signal::<u64>("rating").await?;
    let second = crate::signal::<u64>("rating").timeout("30ms").await?;
    Ok(first * 100 + second.unwrap_or(99))
}

#[test]
fn a_message_that_is_sent_twice_is_taken_once() {
    for world in [&*WAITING, &*PARKING] {
        let called = world.call("waits_twice", serde_json::Value::Null);
        let new = world.new_execution(&called, 1);
        let id = new.id.clone();
        let ended = RUNTIME.block_on(async {
            let watched = probe::watch(&id, Plan { lost_ends: 1, ..Plan::default() });
            let waiting = world.begin(new).await;
            for _ in 0..3 {
                let payload = crate::encoding::encode(&5_u64).unwrap();
                let body = MessageBody::Signal { name: "rating".into(), payload };
                world.engine.store.post(id.clone(), Message { id: "the-same".into(), body }).await.unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            world.end(id, 1, &watched, waiting, Post::NONE, &mut dice()).await
        });
        assert_eq!(returned(&ended), 599);
    }
}

#[durable]
async fn waits_for_a_word() -> Result<u64> {
    crate::signal::<u64>("word").await
}

#[test]
fn a_look_into_an_empty_inbox_keeps_nothing_from_being_put_away() {
    let called = WAITING.call("waits_for_a_word", serde_json::Value::Null);
    RUNTIME.block_on(async {
        let new = WAITING.new_execution(&called, 1);
        let id = new.id.clone();
        let _waiting = WAITING.begin(new).await;
        let execution = WAITING.engine.live.held().get(&id).cloned().unwrap();
        let will_be_parked = async |when: &str| {
            for _ in 0..1_000 {
                if execution.state.held().park_check {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("nobody looks whether it is idle {when}");
        };
        will_be_parked("at first").await;
        // The look falls into the time in which the inbox is read.
        execution.send(Event::Arrived);
        execution.send(Event::Due(Due::Park(0)));
        while execution.state.held().generation < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        will_be_parked("after the inbox was read").await;
        execution.abandon();
    });
}
