//! Workers that are killed at random moments, again and again, while executions come in.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::WORKER;
use crate::draws::{Draws, seed};
use crate::functions::stroll;
use crate::started::{Directory, LIMIT, Program, within};

/// Rounds: some calls, a wait, a death.
const ROUNDS: usize = 15;
const CALLS: usize = 8;
const STEPS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_again_and_again_all_ends_and_only_what_was_in_flight_runs_again() {
    let mut draws = Draws(seed());
    let directory = Directory::new();
    let caller = directory.caller(LIMIT).await;
    let start = || Program::start(WORKER, "work", directory.path(), &[]);
    let mut workers = [(); 3].map(|()| start());
    let (mut killed, mut runs) = (HashSet::new(), Vec::new());
    for round in 0..ROUNDS {
        for call in 0..CALLS {
            let label = format!("{round}-{call}");
            runs.push((label.clone(), caller.scope(stroll(label.clone()).id(label).start()).await.unwrap()));
        }
        tokio::time::sleep(Duration::from_millis(30 + draws.below(250))).await;
        let victim = usize::try_from(draws.below(3)).unwrap();
        workers[victim].kill();
        killed.insert(workers[victim].pid());
        workers[victim] = start();
    }
    for (label, run) in &runs {
        assert_eq!(within("a stroll ends", run.result()).await.unwrap(), *label);
    }
    let mut ran = HashMap::<String, Vec<u32>>::new();
    for effect in directory.effects() {
        ran.entry(effect.label).or_default().push(effect.pid);
    }
    assert_eq!(ran.len(), runs.len() * STEPS, "every step ran");
    let mut again = 0;
    for (label, processes) in ran {
        let (last, before) = processes.split_last().unwrap();
        let died: HashSet<_> = before.iter().filter(|process| killed.contains(process)).collect();
        assert_eq!(
            died.len(),
            before.len(),
            "{label} ran in {before:?} and then in {last}: it was no crash that lost it"
        );
        assert!(!before.contains(last), "{label} ran twice in {last}");
        again += before.len();
    }
    println!("{} executions, {ROUNDS} deaths: {again} of {} bodies ran again", runs.len(), runs.len() * STEPS);
    caller.shutdown().await;
}
