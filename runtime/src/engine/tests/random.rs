//! Thousands of random programs: lived through, killed, replayed, gone on with.
//!
//! `OUTLAST_TEST_SEED` gives the programs of an earlier run back (the moments at which tasks get the processor can't be
//! given back: try a few times). `OUTLAST_RULE_CASES` sets how many programs there are; the long run takes 100,000.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::harness::{Dice, Ordeal, Post, RUNTIME, World, prove};
use super::program;
use super::strategy;

/// Programs in flight at a time: most of their time is waiting.
const LANES: u64 = 32;
/// Programs after which the stores begin anew, so that memory stays bounded.
const ROUND: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

#[test]
fn random_programs_replay_as_they_lived() {
    let seed = number("OUTLAST_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 32 | clock());
    let cases = number("OUTLAST_RULE_CASES").unwrap_or(3_000);
    println!("{cases} random programs; to have them again: OUTLAST_TEST_SEED={seed}");
    let begun = std::time::Instant::now();
    let rows = AtomicU64::new(0);
    let mut left = cases;
    let mut round = 0;
    while left > 0 {
        let now = left.min(ROUND);
        let failures = play_round(Dice(seed ^ round).roll(), now, &rows);
        assert!(failures.is_empty(), "OUTLAST_TEST_SEED={seed}, round {round}: {}", failures.join("\n\n"));
        left -= now;
        round += 1;
    }
    println!("{} rows in {:.1?}", rows.load(Ordering::Relaxed), begun.elapsed());
}

fn clock() -> u64 {
    crate::store::Stamp::now().0.unsigned_abs() & 0xFFFF_FFFF
}

/// Some of the programs, on stores of their own: what failed.
fn play_round(seed: u64, cases: u64, rows: &AtomicU64) -> Vec<String> {
    let worlds = RUNTIME
        .block_on(async { [World::open(Duration::from_secs(60)).await, World::open(Duration::from_millis(1)).await] });
    let failed = OnceLock::new();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let lanes = (0..LANES.min(cases)).map(|lane| {
            let (worlds, failed) = (&worlds, &failed);
            let share = cases / LANES + u64::from(lane < cases % LANES);
            scope.spawn(move || {
                let share = Share { lane, seed: Dice(seed.wrapping_add(lane)).roll(), cases: share };
                play(worlds, share, rows, failed)
            })
        });
        let lanes: Vec<_> = lanes.collect();
        lanes.into_iter().filter_map(|lane| lane.join().unwrap()).collect()
    });
    RUNTIME.block_on(async {
        for world in worlds {
            world.engine.shut_down().await;
        }
    });
    failures
}

/// What one thread plays.
struct Share {
    lane: u64,
    seed: u64,
    cases: u64,
}

/// Plays a share: the failure, if there is one, with the smallest program that shows it. Once a lane has failed, the
/// others let it be.
fn play(worlds: &[World; 2], share: Share, rows: &AtomicU64, failed: &OnceLock<u64>) -> Option<String> {
    let mut bytes = [0; 32];
    let mut dice = Dice(share.seed);
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.roll().to_le_bytes()));
    let config = Config {
        cases: u32::try_from(share.cases).unwrap(),
        // Failures come with their seed; what they teach becomes a named test.
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let cases = (strategy::program(), any::<u64>());
    let played = runner.run(&cases, |(program, chance)| {
        if failed.get().is_some_and(|lane| *lane != share.lane) {
            return Ok(());
        }
        let mut dice = Dice(chance);
        let number = dice.roll() >> 1;
        program::put(number, program);
        let world = &worlds[usize::from(dice.one_in(3))];
        let called = world.call("rule_program", number.into());
        let post = Post { names: &["green", "red"], early: dice.below(4), late: true };
        let ordeal = Ordeal { prefixes: 12, deaths: dice.one_in(2), post };
        let proved = RUNTIME.block_on(prove(world, &called, ordeal, &mut dice));
        program::remove(number);
        match proved {
            Ok(live) => {
                rows.fetch_add(live.record().len() as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                if *failed.get_or_init(|| share.lane) != share.lane {
                    return Ok(());
                }
                eprintln!("failed, and now made smaller: {error}");
                Err(TestCaseError::fail(error))
            }
        }
    });
    match played {
        Ok(()) => None,
        Err(TestError::Fail(reason, (program, chance))) => Some(format!("{reason}\nchance {chance}: {program:#?}")),
        Err(TestError::Abort(reason)) => Some(reason.to_string()),
    }
}
