//! The store in MongoDB beside the driver alone: measured by `bench-mongodb`, the one binary with the driver in it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Setting;
use crate::report::{Entry, median, percentile};
use crate::{Failure, Result};

/// What `bench-mongodb` has measured of one figure.
fn measured<T: DeserializeOwned>(figure: &str, count: u64) -> Result<T> {
    let binary = std::env::current_exe()?.with_file_name("bench-mongodb");
    let output = Command::new(&binary).arg(figure).arg(count.to_string()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Failure::Wrong(format!("{}: {error}", binary.display())))?;
    if !output.status.success() {
        return Err(Failure::Wrong(format!("bench-mongodb {figure} failed: {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A median beside the driver's own, which may be so many times as long.
fn beside_driver(name: &str, ours: &[f64], bare: &[f64], most: f64) -> Entry {
    let ratio = median(ours) / median(bare);
    Entry::new(name, "µs", vec![median(ours)])
        .limit(median(bare))
        .bar(format!("≤ {most:.1} × the driver: {ratio:.2} ×"), ratio <= most)
}

#[derive(Deserialize)]
struct Checkpoints {
    ours: Vec<f64>,
    bare: Vec<f64>,
    our_work: f64,
    bare_work: f64,
    size: usize,
    steps: u64,
    commands: BTreeMap<String, u64>,
}

pub(crate) fn checkpoints(setting: &Setting) -> Result<Vec<Entry>> {
    let found: Checkpoints = measured("checkpoint", 1_000 * setting.runs(1) as u64)?;
    let time = beside_driver("mongo_checkpoint_us", &found.ours, &found.bare, 1.2);
    let tail = |times: &[f64]| percentile(times, 0.99);
    let time = time.note(format!(
        "p99 {:.0} µs, the driver's {:.0}; an insert of {} B, w: majority, j: true",
        tail(&found.ours),
        tail(&found.bare),
        found.size
    ));
    // An execution is created and ended by a command each; what else there is comes and goes by itself, reads only, and
    // isn't about logs.
    let sent = |command: &str| found.commands.get(command).copied().unwrap_or_default();
    let about_logs = |(command, _): &(&String, &u64)| command.ends_with(" outlast.log");
    let about_logs: u64 = found.commands.iter().filter(about_logs).map(|(_, count)| count).sum();
    let of_its_own = [sent("insert outlast.executions"), sent("update outlast.executions")] == [1, 1];
    let one = about_logs == found.steps && sent("insert outlast.log") == found.steps && of_its_own;
    let heard: Vec<_> = found.commands.iter().map(|(command, count)| format!("{count} {command}")).collect();
    let commands = Entry::new("mongo_checkpoint_commands", "", vec![about_logs as f64 / found.steps as f64])
        .bar("exactly one for each checkpoint", one)
        .note(format!("an execution of {} steps: {}", found.steps, heard.join(", ")));
    let work = Entry::new("mongo_checkpoint_cpu_us", "µs", vec![found.our_work])
        .limit(found.bare_work)
        .note(format!("CPU of the client for each: {:.2} × the driver's insert", found.our_work / found.bare_work));
    Ok(vec![time, commands, work])
}

#[derive(Deserialize)]
struct Executions {
    workers: u64,
    ours: f64,
    bare: f64,
}

pub(crate) fn executions(setting: &Setting) -> Result<Vec<Entry>> {
    let found: Vec<Executions> = measured("executions", 400 * setting.runs(1) as u64)?;
    let entry = |found: Executions| {
        Entry::new(format!("mongo_executions_per_s_{}", found.workers), "/s", vec![found.ours]).limit(found.bare).note(
            format!(
                "{:.0} % of as many clients that write the same documents one by one, on 3 connections each",
                100.0 * found.ours / found.bare
            ),
        )
    };
    Ok(found.into_iter().map(entry).collect())
}

#[derive(Deserialize)]
struct Claims {
    ours: Vec<f64>,
    creations: Vec<f64>,
    bare: Vec<f64>,
}

pub(crate) fn claims(setting: &Setting) -> Result<Vec<Entry>> {
    let found: Claims = measured("claim", 100 * setting.runs(1) as u64)?;
    let entry = Entry::new("mongo_claim_us", "µs", vec![median(&found.ours)]).limit(median(&found.bare)).note(format!(
        "p99 {:.0} µs; created after {:.0} µs; a bare insert is told by a change stream after the limit, p99 {:.0} µs: \
         {:.1} ×",
        percentile(&found.ours, 0.99),
        median(&found.creations),
        percentile(&found.bare, 0.99),
        median(&found.ours) / median(&found.bare),
    ));
    Ok(vec![entry])
}

#[derive(Deserialize)]
struct Collections {
    batch: [Vec<f64>; 2],
    range: [Vec<f64>; 2],
    read: [Vec<f64>; 2],
}

pub(crate) fn collection(setting: &Setting) -> Result<Vec<Entry>> {
    let found: Collections = measured("collection", 10 * setting.runs(1) as u64)?;
    let entry = |name: &str, [ours, bare]: &[Vec<f64>; 2], what: &str| {
        let entry = beside_driver(name, ours, bare, 1.1);
        entry.note(format!("{what}; p99 {:.0} µs, the driver's {:.0}", percentile(ours, 0.99), percentile(bare, 0.99)))
    };
    Ok(vec![
        entry("mongo_collection_batch_us", &found.batch, "insert_many of 1,000 documents of 300 bytes with one index"),
        entry("mongo_collection_range_us", &found.range, "1,000 documents by a range over the index"),
        entry("mongo_collection_read_us", &found.read, "find_one by _id"),
    ])
}
