//! Who waits for a turn because its workers have died can still be ended: it needs no turn for that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::harness::{RUNTIME, World};
use super::dice;
use crate::engine::client::Waiting;
use crate::function::outcome::read_fault;
use crate::store::{Claimed, ExecutionId, Finished, Message, MessageBody, Stamp};
use crate::{ErrorKind, Result, durable, step};

static BEGUN: AtomicU32 = AtomicU32::new(0);

#[step]
async fn stays() -> Result<u64> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

#[durable]
async fn never_ends() -> Result<u64> {
    stays().await
}

/// Takes up a new execution whose workers have died ten times.
async fn adopt(world: &World, change: impl FnOnce(&mut Claimed)) -> (ExecutionId, Waiting) {
    let called = world.call("never_ends", serde_json::Value::Null);
    let mut claimed = world.claimed(world.new_execution(&called, dice().roll())).await;
    claimed.crashes = 10;
    change(&mut claimed);
    let id = claimed.id.clone();
    let waiting = world.engine.wait_for(&id);
    world.engine.adopt(*claimed);
    (id, waiting)
}

async fn ends_at_once(world: &World, change: impl FnOnce(&mut Claimed)) -> crate::Error {
    let (id, waiting) = adopt(world, change).await;
    let finished = tokio::time::timeout(Duration::from_secs(20), world.engine.finished(&id, waiting)).await;
    let Finished { value, .. } = finished.expect("it ends, though another has the turn").unwrap();
    read_fault(value.bytes())
}

#[test]
fn a_suspect_without_a_turn_can_be_cancelled_and_its_deadline_holds() {
    RUNTIME.block_on(async {
        let world = World::open(Duration::from_secs(60)).await;
        let _holder = adopt(&world, |_| {}).await;
        while BEGUN.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let enough = MessageBody::Cancel { reason: "enough".into() };
        let cancelled = ends_at_once(&world, |claimed| {
            claimed.inbox.push(Message { id: "cancel".into(), body: enough });
        });
        assert_eq!(cancelled.await.kind(), ErrorKind::Cancelled);
        let late = ends_at_once(&world, |claimed| claimed.deadline = Some(Stamp::now()));
        assert_eq!(late.await.kind(), ErrorKind::Timeout);
        assert_eq!(BEGUN.load(Ordering::SeqCst), 1);
        world.engine.kill();
    });
}
