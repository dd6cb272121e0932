//! The log of bodies: which ran twice though they were recorded, and which ran again because they were in flight.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkout::STEPS;
use crate::purchases::Purchase;

/// What the log says.
pub(super) struct Bodies {
    /// Recorded bodies that began once more. Must be empty.
    pub(super) ran_twice: Vec<String>,
    /// Bodies that began under the first worker, were not recorded when it died, and began again.
    pub(super) ran_again: usize,
    begun: BTreeMap<(String, String), Times>,
}

/// How often a body began under each worker.
#[derive(Default)]
struct Times {
    first: usize,
    second: usize,
}

impl Bodies {
    /// Reads the log: purchase, step and worker in each line.
    pub(super) fn read(log: &str, recorded_at_kill: &BTreeSet<(String, String)>) -> Self {
        let mut begun = BTreeMap::<_, Times>::new();
        for line in log.lines() {
            let [id, step, worker] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let times = begun.entry((id.to_owned(), step.to_owned())).or_default();
            *if worker == "1" { &mut times.first } else { &mut times.second } += 1;
        }
        let mut ran_twice = Vec::new();
        let mut ran_again = 0;
        for (body, times) in &begun {
            let after_its_record = times.second > 0 && recorded_at_kill.contains(body);
            // No step of the shop fails: within one worker nothing has a reason to begin twice.
            if after_its_record || times.first > 1 || times.second > 1 {
                ran_twice.push(format!("`{}` of {}", body.1, body.0));
            } else if times.first > 0 && times.second > 0 {
                ran_again += 1;
            }
        }
        Self { ran_twice, ran_again, begun }
    }

    /// Bodies that never began.
    pub(super) fn missing(&self, purchases: &[Purchase]) -> Vec<String> {
        let all = purchases.iter().flat_map(|purchase| STEPS.map(|step| (purchase.id.clone(), step.to_owned())));
        all.filter(|body| !self.begun.contains_key(body))
            .map(|(id, step)| format!("`{step}` of {id} never ran"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> (Vec<String>, usize) {
        let recorded = BTreeSet::from([("a".to_owned(), "charge".to_owned())]);
        let bodies = Bodies::read(log, &recorded);
        (bodies.ran_twice, bodies.ran_again)
    }

    #[test]
    fn a_recorded_body_that_begins_after_the_kill_ran_twice() {
        assert_eq!(read("a charge 1\na charge 2\n"), (vec!["`charge` of a".to_owned()], 0));
    }

    #[test]
    fn a_body_in_flight_may_run_again() {
        assert_eq!(read("a charge 1\na mail 1\na mail 2\nb charge 2\n"), (vec![], 1));
    }

    #[test]
    fn a_body_that_begins_twice_in_one_worker_ran_twice() {
        assert_eq!(read("a mail 1\na mail 1\n"), (vec!["`mail` of a".to_owned()], 0));
        assert_eq!(read("b mail 2\nb mail 2\n"), (vec!["`mail` of b".to_owned()], 0));
    }

    #[test]
    fn what_never_began_is_missing() {
        let recorded = BTreeSet::new();
        let bodies = Bodies::read("a charge 1\na print_label 1\na mail 1\n", &recorded);
        let day = jiff::civil::date(1997, 1, 1);
        let purchase = Purchase { id: "a".to_owned(), customer: 1, day, units: 1, cents: 1 };
        assert_eq!(bodies.missing(&[purchase]), ["`reserve` of a never ran"]);
    }
}
