//! What isn't durable parks the execution with a word that says so, or changes nothing; it is never silently another way.

use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;

use super::super::harness::{Ordeal, PARKING, Post, RUNTIME, WAITING, prove};
use super::super::probe::{Came, Plan};
use super::{dice, fast, live, returned};
use crate::engine::Step;
use crate::engine::context;
use crate::engine::held::Held;
use crate::store::Status;
use crate::{Error, ErrorKind, Result, durable, step};

/// Lives of a function that does what isn't durable.
const TRIES: usize = 10;

/// Parked as not durable each time.
fn is_refused(function: &str) -> Vec<Error> {
    let called = WAITING.call(function, serde_json::Value::Null);
    let lives = (0..TRIES).map(|_| {
        let ended = RUNTIME.block_on(WAITING.run(&called, Plan::default(), Post::NONE, &mut dice()));
        let error = ended.finished.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotDurable, "{function}: {error}");
        assert_eq!(ended.details.summary.status, Status::Parked);
        assert!(error.messages().concat().contains(function), "{error} must name the function");
        error
    });
    lives.collect()
}

/// Lives, dies and replays the same way each time.
fn is_durable(function: &str) {
    let called = WAITING.call(function, serde_json::Value::Null);
    let ordeal = Ordeal { prefixes: 8, deaths: true, post: Post::NONE };
    for _ in 0..TRIES {
        RUNTIME.block_on(prove(&WAITING, &called, ordeal, &mut dice())).map(drop).unwrap();
    }
}

#[durable]
async fn wakes_itself_for_ever() -> Result<u64> {
    fast(1).await?;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::<Result<u64>>::Pending
    })
    .await
}

#[test]
fn a_function_that_wakes_itself_for_ever_does_not_keep_its_lane() {
    is_refused("wakes_itself_for_ever");
}

#[durable]
async fn yields_beside_a_step() -> Result<u64> {
    let (value, ()) = tokio::join!(fast(1), tokio::task::yield_now());
    value
}

#[test]
fn a_yield_beside_a_step_changes_nothing() {
    is_durable("yields_beside_a_step");
}

async fn yields(times: u8) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[durable]
async fn yields_against_an_early_step() -> Result<u64> {
    let mut early = fast(1);
    let _ = (&mut early).now_or_never();
    fast(2).await?;
    Ok(tokio::select! {
        _ = early => 1,
        () = yields(3) => 2,
    })
}

#[test]
fn yields_selected_against_a_step_end_the_same_way_each_time() {
    is_durable("yields_against_an_early_step");
}

async fn tokio_timer() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

#[durable]
async fn awaits_a_timer_of_tokio() -> Result<u64> {
    fast(1).await?;
    tokio_timer().await;
    Ok(1)
}

#[test]
fn a_timer_of_tokio_is_not_durable_and_names_the_last_operation_and_the_way_out() {
    for error in is_refused("awaits_a_timer_of_tokio") {
        let words = error.messages().concat();
        assert!(words.contains("`fast`") && words.contains("inside a step"), "{words}");
    }
}

async fn other_thread() {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1));
        let _ = sender.send(());
    });
    let _ = receiver.await;
}

#[durable]
async fn awaits_another_thread() -> Result<u64> {
    other_thread().await;
    Ok(1)
}

#[test]
fn a_channel_from_another_thread_is_not_durable() {
    is_refused("awaits_another_thread");
}

async fn spawned(operation: Step<Result<u64>>) -> Result<u64> {
    tokio::spawn(operation).await?
}

#[durable]
async fn awaits_a_step_in_a_task() -> Result<u64> {
    spawned(fast(1)).await
}

#[test]
fn an_operation_moved_into_a_task_is_not_durable() {
    is_refused("awaits_a_step_in_a_task");
}

static TOLD: Mutex<Vec<Error>> = Mutex::new(Vec::new());

fn moved_into_a_task(operation: Step<Result<u64>>) {
    tokio::spawn(async move {
        if let Err(error) = operation.await {
            TOLD.held().push(error);
        }
    });
}

#[durable]
async fn leaves_a_step_to_a_task() -> Result<u64> {
    moved_into_a_task(fast(1));
    crate::sleep("300ms").await?;
    Ok(1)
}

#[test]
fn an_operation_left_to_a_task_is_an_error_there_and_parks_the_function() {
    is_refused("leaves_a_step_to_a_task");
    for _ in 0..100 {
        // The tasks are told before or after the test is.
        if TOLD.held().len() < TRIES {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let told = TOLD.held();
    assert_eq!(told.len(), TRIES);
    assert!(told.iter().all(|error| error.kind() == ErrorKind::Misplaced));
}

fn dropped_in_a_task(operation: Step<Result<u64>>) {
    tokio::spawn(async move { drop(operation) });
}

#[durable]
async fn lets_a_task_drop_a_step() -> Result<u64> {
    let mut early = fast(1);
    let _ = (&mut early).now_or_never();
    dropped_in_a_task(early);
    crate::sleep("300ms").await?;
    Ok(1)
}

#[test]
fn an_operation_dropped_in_a_task_is_not_durable() {
    is_refused("lets_a_task_drop_a_step");
}

static COUNTED: Mutex<u32> = Mutex::new(0);

#[step]
async fn counted() -> Result<u64> {
    *COUNTED.held() += 1;
    Ok(1)
}

/// Whether each destructor ran while a function was put away.
static DROPPING: Mutex<Vec<bool>> = Mutex::new(Vec::new());

/// Polls its operation once more when it is dropped.
struct Clings(Step<Result<u64>>);

impl Drop for Clings {
    fn drop(&mut self) {
        DROPPING.held().push(context::is_dropping());
        let _ = (&mut self.0).now_or_never();
        let _ = counted().now_or_never();
    }
}

#[durable]
async fn polls_in_a_destructor() -> Result<u64> {
    let clings = Clings(counted());
    crate::sleep("100ms").await?;
    fast(1).await?;
    crate::sleep("100ms").await?;
    drop(clings);
    fast(2).await
}

#[test]
fn an_operation_polled_by_a_destructor_while_the_function_is_put_away_is_inert() {
    let (_, ended) = live(&PARKING, "polls_in_a_destructor", serde_json::Value::Null);
    returned(&ended);
    assert!(ended.runs.len() >= 4, "{} claims", ended.runs.len());
    assert_eq!(*COUNTED.held(), 0);
    // Put away twice, and returned twice: a call made there would else be one from outside executions.
    assert_eq!(*DROPPING.held(), [true, true, false, false]);
    assert!(ended.runs.iter().all(|run| !matches!(run.came, Some(Came::Fault(_)))));
}
