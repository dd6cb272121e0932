//! What `doctor` says of a store: facts, and what is wrong with the way out.

use bson::{Document, doc};

use super::failure::Failure;
use super::schema::{OPEN, PARKED, TOMBSTONE};
use super::shared::Shared;
use crate::store::{Report, Stamp};

/// A difference of clocks that is worth a word.
const SKEW: i64 = 2_000;

impl Shared {
    /// Facts and problems.
    pub(super) async fn report(&self, thorough: bool) -> Result<Report, Failure> {
        let mut report = Report::default();
        let hello = self.command(self.own.run_command(doc! { "hello": 1 })).await?;
        let build = self.command(self.own.run_command(doc! { "buildInfo": 1 })).await?;
        let text = |document: &Document, field: &str| document.get_str(field).unwrap_or_default().to_owned();
        report.facts.push(("store", self.name.clone()));
        report.facts.push(("server", text(&build, "version")));
        if hello.get_str("setName").is_ok() {
            report.facts.push(("replica set", text(&hello, "setName")));
            report.facts.push(("primary", text(&hello, "primary")));
        } else {
            report.facts.push(("sharded", "yes".into()));
        }
        about_clocks(&hello, &mut report);
        self.about_store(&mut report).await?;
        self.about_workers(&mut report).await?;
        if thorough {
            self.about_logs(&mut report).await?;
        }
        Ok(report)
    }

    async fn about_store(&self, report: &mut Report) -> Result<(), Failure> {
        let store = self.command(self.tables.meta.find_one(doc! { "_id": "store" })).await?.unwrap_or_default();
        report.facts.push(("schema", store.get_i32("version").unwrap_or_default().to_string()));
        report.facts.push(("incarnation", store.get_str("incarnation").unwrap_or_default().to_owned()));
        for (name, filter) in [
            ("owned", doc! { "owner": { "$gt": "" } }),
            ("due or waiting", doc! { "status": OPEN, "owner": { "$exists": false } }),
            ("parked", doc! { "status": PARKED }),
            ("ended", doc! { "ended": { "$gt": i64::MIN } }),
            ("tombstones", doc! { "status": TOMBSTONE }),
        ] {
            let count = self.command(self.tables.executions.count_documents(filter)).await?;
            report.facts.push((name, count.to_string()));
        }
        let clock = store.get_i64("purge_clock").unwrap_or_default();
        let behind = Stamp::now().0.saturating_sub(clock) / 3_600_000;
        if behind > 24 {
            report.problems.push(format!(
                "purging is {behind} hours behind the wall clock: it catches up by itself, or the clock has jumped ahead"
            ));
        }
        Ok(())
    }

    async fn about_workers(&self, report: &mut Report) -> Result<(), Failure> {
        let workers = self.workers().await?;
        let now = self.server_now();
        let mut alive = 0;
        for worker in &workers {
            let until = worker.get_i64("until").unwrap_or(i64::MIN);
            if until >= now && !worker.get_bool("dead").unwrap_or_default() {
                alive += 1;
            } else {
                report.problems.push(format!(
                    "worker {} is dead or hangs: the next sweep of another worker takes its work back",
                    worker.get_str("_id").unwrap_or_default()
                ));
            }
        }
        report.facts.push(("workers alive", format!("{alive} of {}", workers.len())));
        Ok(())
    }

    /// Rows without a gap, one writer at a time: what every log keeps.
    async fn about_logs(&self, report: &mut Report) -> Result<(), Failure> {
        let cursor = self
            .command(self.tables.executions.find(doc! { "status": { "$gte": 0 } }).projection(doc! { "_id": 1 }))
            .await?;
        let mut checked = 0;
        let mut some = Vec::new();
        let mut found = self.gather(cursor).await?.into_iter().peekable();
        while let Some(next) = found.next() {
            some.push(super::executions::Execution(next).id()?);
            if some.len() == 100 || found.peek().is_none() {
                for (id, log) in self.logs(&some).await? {
                    if let Some(gap) = log.record.iter().enumerate().find(|(at, row)| row.seq != *at as u64) {
                        report
                            .problems
                            .push(format!("the record of {id} has a gap at row {}: restore a backup", gap.0));
                    }
                }
                checked += some.len();
                some.clear();
            }
        }
        report.facts.push(("records read", checked.to_string()));
        Ok(())
    }
}

fn about_clocks(hello: &Document, report: &mut Report) {
    let Ok(theirs) = hello.get_datetime("localTime") else { return };
    let ahead = theirs.timestamp_millis() - Stamp::now().0;
    report.facts.push(("server's clock", format!("{ahead} ms ahead of this one")));
    if ahead.abs() > SKEW {
        report.problems.push(format!(
            "the server's clock and this machine's are {ahead} ms apart: sleeps and starts are late or early by as \
             much. Let both follow a time server"
        ));
    }
}
