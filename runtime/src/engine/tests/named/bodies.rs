//! Where bodies begin: quick ones on their execution's lane, slow ones where they hold nobody up.

use std::sync::Mutex;
use std::time::Duration;

use super::super::harness::{Post, RUNTIME, WAITING};
use super::super::probe::Plan;
use super::dice;
use crate::engine::held::Held;
use crate::{Result, durable, step};

const RUNS: u64 = 8;

static QUICK: Mutex<Vec<bool>> = Mutex::new(Vec::new());
static SLOW: Mutex<Vec<bool>> = Mutex::new(Vec::new());

fn is_on_a_lane() -> bool {
    std::thread::current().name() == Some("outlast-lane")
}

#[step]
async fn quick() -> Result<u64> {
    QUICK.held().push(is_on_a_lane());
    Ok(1)
}

#[step]
async fn blocks() -> Result<u64> {
    SLOW.held().push(is_on_a_lane());
    std::thread::sleep(Duration::from_millis(2));
    Ok(1)
}

#[durable]
async fn both_many_times(runs: u64) -> Result<u64> {
    for _ in 0..runs {
        quick().await?;
        blocks().await?;
    }
    Ok(runs)
}

#[test]
fn a_body_begins_on_its_lane_once_its_step_is_known_to_be_quick() {
    let called = WAITING.call("both_many_times", RUNS.into());
    RUNTIME.block_on(WAITING.run(&called, Plan::default(), Post::NONE, &mut dice())).finished.unwrap();
    let quick = QUICK.held().clone();
    assert_eq!(quick[..3], [false; 3], "nothing is known of it yet");
    // A busy machine may make a quick body slow.
    assert!(quick[3..].contains(&true), "{quick:?}");
    assert_eq!(*SLOW.held(), [false; RUNS as usize], "it would hold the lane up");
}
