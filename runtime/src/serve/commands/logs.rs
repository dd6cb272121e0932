//! `logs`: what is recorded, a line for each event, and on as things happen.
//!
//! Following is bounded whatever the store holds: a round reads a page of each kind of open execution and the newest
//! page, whole records only of what has changed since, and rounds keep a distance.

use std::collections::HashMap;
use std::time::Duration;

use super::looking;
use crate::app::{App, Running};
use crate::engine::not_found;
use crate::error::Error;
use crate::serve::events::{Event, Seen, fresh};
use crate::serve::interrupts::Interrupts;
use crate::serve::output::{Done, Output};
use crate::store::{Details, Epoch, ExecutionId, Filter, Stamp, Status, Summary};

/// How many executions of a kind a round looks at.
const PAGE: usize = 200;
/// The distance of rounds while things happen.
const DISTANCE: Duration = Duration::from_millis(250);
/// The longest wait for a round: what another process has done may not be told.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(app: App, id: Option<String>, follow: bool, limit: usize, output: &mut Output) -> Done {
    let interrupts = if follow { Some(Interrupts::listen()?) } else { None };
    looking(app, async |running| {
        let begun = Stamp::now();
        let mut follower = Follower::new(begun);
        let events = match &id {
            Some(id) => follower.one(running, id, None).await?,
            None => follower.newest(running, limit).await?,
        };
        print(events, output)?;
        match interrupts {
            Some(interrupts) => go_on(running, id.as_deref(), follower, interrupts, output).await,
            None => Ok(()),
        }
    })
    .await
}

/// Rounds, until the followed execution has ended, somebody asks for the end, or nobody reads any more.
async fn go_on(
    running: &Running,
    id: Option<&str>,
    mut follower: Follower,
    mut interrupts: Interrupts,
    output: &mut Output,
) -> Done {
    let mut changes = running.changes();
    loop {
        if id.is_some() && follower.all_ended() {
            return Ok(());
        }
        tokio::select! {
            _ = interrupts.next() => return Ok(()),
            () = async {
                // Whatever happens, rounds keep their distance; without news the longest wait is the distance.
                tokio::time::sleep(DISTANCE).await;
                if tokio::time::timeout(LOOK, changes.changed()).await.is_ok_and(|changed| changed.is_err()) {
                    tokio::time::sleep(LOOK).await;
                }
            } => {}
        }
        let events = match id {
            Some(id) => follower.one(running, id, Some(Stamp::now())).await,
            None => follower.round(running).await,
        };
        match events {
            Ok(events) => print(events, output)?,
            // A store that is away comes back; what happened meanwhile is told then.
            Err(error) if error.kind() == crate::ErrorKind::Unavailable => {
                tracing::warn!(%error, "the store is away: trying again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn print(mut events: Vec<Event>, output: &mut Output) -> Done {
    events.sort_by_key(Event::at);
    for event in &events {
        if output.json {
            output.answer_line(event)?;
        } else {
            output.line(&event.line(output.width))?;
        }
    }
    output.flush()
}

/// Who has been told of, and how far.
struct Follower {
    known: HashMap<ExecutionId, Known>,
    /// What is older isn't told of executions that come into sight later.
    since: Stamp,
}

struct Known {
    seen: Seen,
    mark: Mark,
}

/// Changes whenever an execution may have new rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark(Status, Epoch, Option<Stamp>);

impl Mark {
    fn of(summary: &Summary) -> Self {
        Self(summary.status, summary.epoch, summary.wake)
    }

    /// Whether a record must be read to know what is new: always of what runs, of others if something has changed.
    fn is_news(&self, known: Option<&Known>) -> bool {
        self.0 == Status::Running || known.is_none_or(|known| known.mark != *self)
    }
}

impl Follower {
    fn new(since: Stamp) -> Self {
        Self { known: HashMap::new(), since }
    }

    fn all_ended(&self) -> bool {
        self.known.values().all(|known| matches!(known.mark.0, Status::Ended(_)))
    }

    /// One execution, from its beginning.
    async fn one(&mut self, running: &Running, id: &str, observed: Option<Stamp>) -> Result<Vec<Event>, Error> {
        let details = running.execution(id).details().await?.0;
        Ok(self.tell(&details, Seen::default(), observed))
    }

    /// The newest executions, from their beginnings.
    async fn newest(&mut self, running: &Running, limit: usize) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        for summary in running.executions(Filter { limit, ..Filter::default() }).await? {
            if let Some(details) = whole(running, &summary).await? {
                events.extend(self.tell(&details, Seen::default(), None));
            }
        }
        Ok(events)
    }

    /// What is new since the last round.
    async fn round(&mut self, running: &Running) -> Result<Vec<Event>, Error> {
        let now = Stamp::now();
        let mut in_sight = HashMap::new();
        let open = [Status::Running, Status::Ready, Status::Waiting, Status::Parked].map(Status::name);
        for status in open.into_iter().map(Some).chain([None]) {
            let filter = Filter { status: status.map(str::to_owned), limit: PAGE, ..Filter::default() };
            for summary in running.executions(filter).await? {
                in_sight.insert(summary.id.clone(), summary);
            }
        }
        let mut events = Vec::new();
        for (id, summary) in &in_sight {
            if !Mark::of(summary).is_news(self.known.get(id)) {
                continue;
            }
            if let Some(details) = whole(running, summary).await? {
                let unknown = Seen::since(&details, self.since);
                events.extend(self.tell(&details, unknown, Some(now)));
            }
        }
        // What is out of sight is forgotten. Should it come back, all before this round has been told, or is missed.
        self.known.retain(|id, _| in_sight.contains_key(id));
        self.since = now;
        Ok(events)
    }

    fn tell(&mut self, details: &Details, unknown: Seen, observed: Option<Stamp>) -> Vec<Event> {
        let mark = Mark::of(&details.summary);
        let known =
            self.known.entry(details.summary.id.clone()).or_insert_with(|| Known { seen: unknown, mark: mark.clone() });
        known.mark = mark;
        fresh(details, &mut known.seen, observed)
    }
}

/// The record of a listed execution, unless it was purged meanwhile.
async fn whole(running: &Running, summary: &Summary) -> Result<Option<Details>, Error> {
    match running.execution(summary.id.0.clone()).details().await {
        Ok(execution) => Ok(Some(execution.0)),
        Err(error) if error.kind() == not_found(&summary.id).kind() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::End;

    #[test]
    fn a_record_is_read_only_of_what_runs_or_has_changed() {
        let mark = |status, epoch| Mark(status, Epoch(epoch), None);
        let known = |status, epoch| Known { seen: Seen::default(), mark: mark(status, epoch) };
        assert!(mark(Status::Waiting, 1).is_news(None));
        assert!(!mark(Status::Waiting, 1).is_news(Some(&known(Status::Waiting, 1))));
        assert!(mark(Status::Waiting, 2).is_news(Some(&known(Status::Waiting, 1))));
        assert!(mark(Status::Running, 1).is_news(Some(&known(Status::Running, 1))));
        let ended = Status::Ended(End::Failed);
        assert!(!mark(ended, 1).is_news(Some(&known(ended, 1))));
        assert!(mark(ended, 1).is_news(Some(&known(Status::Running, 1))));
    }
}
