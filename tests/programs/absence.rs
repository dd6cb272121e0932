//! A store that is away while executions run on it: no failure is recorded, and all goes on by itself once it is back. How
//! soon is printed; what is asserted leaves room for a machine that is busy.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outlast::{Execution, Running};

use crate::functions::stroll;
use crate::started::{Directory, until, within};

/// Steps of a stroll.
const STEPS: usize = 6;
/// The longest until the first goes on.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Whether there is time.
pub(crate) fn long() -> bool {
    std::env::var("OUTLAST_LONG").is_ok_and(|long| long == "1")
}

/// How long it is away.
pub(crate) fn how_long() -> Duration {
    Duration::from_secs(if long() { 60 } else { 8 })
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Steps a second.
fn rate(begun: &[u64]) -> f64 {
    let (Some(first), Some(last)) = (begun.first(), begun.last()) else { return 0.0 };
    begun.len() as f64 * 1000.0 / (last - first).max(1) as f64
}

/// A store with workers, and who calls them.
pub(crate) struct Scene<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) caller: &'a Running,
    /// How many executions run at once.
    pub(crate) executions: usize,
}

impl Scene<'_> {
    /// Strolls from their calls to their ends, and what happens meanwhile.
    async fn strolls(&self, name: &str, meanwhile: impl Future<Output = ()>) {
        let calls = (0..self.executions).map(|number| {
            let label = format!("{name}{number}");
            stroll(label.clone()).id(label).start()
        });
        let runs = self.caller.scope(futures::future::try_join_all(calls)).await.unwrap();
        meanwhile.await;
        for run in &runs {
            loop {
                match within("a stroll ends", run.result()).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), outlast::ErrorKind::Unavailable, "{error:?}"),
                }
            }
        }
    }

    fn bodies(&self, name: &str) -> usize {
        self.directory.effects().iter().filter(|effect| effect.label.starts_with(name)).count()
    }

    /// When steps of strolls began, after a moment, in their order.
    fn begun(&self, name: &str, after: u64) -> Vec<u64> {
        let effects = self.directory.effects();
        let named = effects.iter().filter(|effect| effect.label.starts_with(name));
        let mut begun: Vec<u64> = named.map(|effect| effect.at).filter(|at| *at > after).collect();
        begun.sort_unstable();
        begun
    }

    /// Strolls in whose midst the store leaves and comes back.
    pub(crate) async fn go_on(&self, what: &str, leave: impl FnOnce(), come_back: impl FnOnce()) {
        let all = self.executions * STEPS;
        self.strolls("a", async {}).await;
        let usual = rate(&self.begun("a", 0));
        let (mut back, mut left) = (0, 0);
        self.strolls("b", async {
            until("a third has run", || self.bodies("b") > all / 3).await;
            tokio::task::block_in_place(leave);
            tokio::time::sleep(how_long()).await;
            left = all.saturating_sub(self.bodies("b"));
            back = now();
            tokio::task::block_in_place(come_back);
        })
        .await;
        let after = self.begun("b", back);
        assert!(left > 0 && !after.is_empty(), "{what}: the store was away when all was over");
        let (first, then) = (after[0] - back, rate(&after));
        println!(
            "{what} for {:?} with {left} steps to go: the first after {first} ms, then {then:.0} steps/s, undisturbed \
             {usual:.0}/s: {:.2} of it",
            how_long(),
            then / usual
        );
        assert!(Duration::from_millis(first) < SOON, "{what}: the first went on after {first} ms");
        self.recorded_no_failure(what).await;
    }

    async fn recorded_no_failure(&self, what: &str) {
        for number in 0..self.executions {
            let execution: Execution = self.caller.execution(format!("b{number}")).details().await.unwrap();
            for (name, _, attempts, _) in execution.operations() {
                assert_eq!(attempts, 1, "{what}: the store's absence counted as a failure of {name} in b{number}");
            }
        }
    }
}
