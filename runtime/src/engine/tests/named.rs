//! The shortest function for each way of getting the rule wrong. Each test says in its name what must hold.

mod bodies;
mod children;
mod claims;
mod ends;
mod foreign;
mod order;
mod record;
mod selects;
mod signals;

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use serde_json::Value as Json;

use super::harness::{Called, Dice, Ended, Ordeal, PARKING, Post, RUNTIME, WAITING, World, prove};
use super::probe::{self, Came};
use crate::store::Value;
use crate::{Result, encoding, step};

/// Lives that a function goes through in each world: what the scheduler makes of a moment differs from one to the next.
const LIVES: u64 = 25;

fn dice() -> Dice {
    static ROLLS: AtomicU64 = AtomicU64::new(1);
    Dice(crate::store::Stamp::now().0.unsigned_abs() << 16 | ROLLS.fetch_add(1, Ordering::Relaxed))
}

/// A step whose body takes a few turns of the scheduler, and gives a number that no second run would give.
#[step]
async fn fast(argument: u64) -> Result<u64> {
    probe::body_begins();
    for _ in 0..crate::random::<u8>() % 6 {
        tokio::task::yield_now().await;
    }
    Ok(argument * 1_000 + crate::random::<u64>() % 1_000)
}

/// A step that takes a while.
#[step]
async fn slow(millis: u64) -> Result<u64> {
    probe::body_begins();
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    Ok(millis)
}

/// Lives, dies, is replayed and goes on, time after time, always the same way: what it returned each time.
fn holds(function: &str) -> Vec<u64> {
    holds_with(function, Json::Null, Post::NONE)
}

fn holds_with(function: &str, arguments: Json, post: Post) -> Vec<u64> {
    let lives = lives(&WAITING, function, &arguments, post).into_iter();
    let lives = lives.chain(lives_one_by_one(&PARKING, function, &arguments, post));
    lives.map(|life| returned(&life.unwrap_or_else(|error| panic!("{function}: {error}")))).collect()
}

/// Many lives at a time.
fn lives(world: &World, function: &str, arguments: &Json, post: Post) -> Vec<Result<Ended, String>> {
    let called = world.call(function, arguments.clone());
    RUNTIME.block_on(join_all((0..LIVES).map(|life| {
        let called = &called;
        async move {
            let mut dice = dice();
            prove(world, called, Ordeal { prefixes: 20, deaths: life % 2 == 0, post }, &mut dice).await
        }
    })))
}

/// A few lives, with nothing beside them.
fn lives_one_by_one(world: &World, function: &str, arguments: &Json, post: Post) -> Vec<Result<Ended, String>> {
    let called = world.call(function, arguments.clone());
    let ordeal = Ordeal { prefixes: 20, deaths: false, post };
    (0..LIVES / 5).map(|_| RUNTIME.block_on(prove(world, &called, ordeal, &mut dice()))).collect()
}

/// One life, undisturbed but for its lost end: the second claim replays all of it.
fn live(world: &World, function: &str, arguments: Json) -> (Called, Ended) {
    let called = world.call(function, arguments);
    let plan = probe::Plan { lost_ends: 1, ..probe::Plan::default() };
    let ended = RUNTIME.block_on(world.run(&called, plan, Post::NONE, &mut dice()));
    (called, ended)
}

/// The number that an execution returned.
fn returned(ended: &Ended) -> u64 {
    match &ended.last().came {
        Some(Came::Returned(Value::Ok(bytes))) => encoding::decode(bytes).unwrap(),
        came => panic!("it came to {came:?}"),
    }
}
