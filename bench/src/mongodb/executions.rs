//! Executions of three steps by workers in processes of their own, each of which starts and awaits its share; beside
//! clients of the driver that write the same documents one by one.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use outlast_test_servers::Mongo;
use serde_json::{Value as Json, json};

use crate::worker::Worker;
use crate::{Result, bare, proof, task, wrong};

const WORKERS: [u64; 3] = [1, 2, 4];
const STEPS: u64 = 3;
/// What is done once in a process isn't measured.
const FIRST: u64 = 10;

pub(crate) async fn measure(mongo: &Mongo, count: u64) -> Result<Json> {
    let database = bare::database(mongo).await?;
    let (mut all, mut executions, mut limit) = (Vec::new(), 0, None);
    for workers in WORKERS {
        let share = count / workers;
        let took = run(&mongo.uri(), workers, share, executions)?;
        executions += workers * (share + FIRST);
        proof::prove(&database, executions, executions * STEPS).await?;
        if limit.is_none() {
            limit = Some(Limit::new(&database).await?);
        }
        let bare = match &limit {
            Some(limit) => limit.run(mongo, workers, share).await?,
            None => Duration::ZERO,
        };
        let per_second = |took: Duration| (workers * share) as f64 / took.as_secs_f64();
        all.push(json!({ "workers": workers, "ours": per_second(took), "bare": per_second(bare) }));
    }
    Ok(json!(all))
}

/// From the word to start until the last has said that it is done.
fn run(uri: &str, workers: u64, share: u64, from: u64) -> Result<Duration> {
    let mut all = (0..workers).map(|_| Worker::start(uri)).collect::<Result<Vec<_>>>()?;
    let mut number = from;
    let mut together = |all: &mut [Worker], count: u64| {
        let begun = Instant::now();
        for worker in all.iter_mut() {
            worker.tell(number, count)?;
            number += count;
        }
        all.iter_mut().try_for_each(|worker| worker.hear("done"))?;
        Ok::<_, crate::Failure>(begun.elapsed())
    };
    together(&mut all, FIRST)?;
    let took = together(&mut all, share)?;
    all.into_iter().try_for_each(Worker::end)?;
    Ok(took)
}

/// What the driver alone does for an execution: five commands, one for each of its writes.
#[derive(Clone)]
struct Limit {
    execution: Document,
    rows: Vec<Document>,
}

impl Limit {
    /// With documents of an execution as they are stored.
    async fn new(database: &Database) -> Result<Self> {
        let any = database.collection::<Document>("outlast.executions").find_one(doc! {}).await?;
        let any = any.ok_or_else(|| wrong("no execution is there"))?;
        let (execution, rows) = bare::stored(database, any.get_str("_id").map_err(wrong)?).await?;
        bare::like(database, "outlast.executions", "bare.executions").await?;
        bare::like(database, "outlast.log", "bare.log").await?;
        Ok(Self { execution, rows })
    }

    /// As many clients as workers, with as many connections, all of them busy.
    async fn run(&self, mongo: &Mongo, clients: u64, share: u64) -> Result<Duration> {
        let mut all = Vec::new();
        for client in 0..clients {
            let database = bare::database(mongo).await?;
            let executions = bare::durable(&database, "bare.executions");
            let log = bare::durable(&database, "bare.log");
            // Connections are made before.
            executions.find_one(doc! {}).await?;
            let each = u64::from(bare::CONNECTIONS);
            for connection in 0..each {
                let (limit, executions, log) = (self.clone(), executions.clone(), log.clone());
                let numbers = (connection..share).step_by(usize::try_from(each).map_err(wrong)?);
                all.push(async move {
                    for number in numbers {
                        limit.one(&executions, &log, format!("bare-{clients}-{client}-{number}")).await?;
                    }
                    Ok(())
                });
            }
        }
        let begun = Instant::now();
        futures::future::try_join_all(all.into_iter().map(task)).await?;
        Ok(begun.elapsed())
    }

    async fn one(&self, executions: &Collection<Document>, log: &Collection<Document>, id: String) -> Result<()> {
        let mut execution = self.execution.clone();
        execution.insert("_id", &id);
        executions.insert_one(execution).await?;
        for row in &self.rows {
            let mut row = row.clone();
            row.get_document_mut("_id").map_err(wrong)?.insert("e", &id);
            log.insert_one(row).await?;
        }
        let end = doc! { "$set": { "status": 1, "ended": 1_i64, "outcome": 1 }, "$unset": { "owner": 1 } };
        let updated = executions.update_one(doc! { "_id": &id }, end).await?;
        if updated.matched_count == 1 { Ok(()) } else { Err(wrong(format!("{id} isn't there"))) }
    }
}
