//! The sweep itself, whatever the store: a journey undisturbed, then one killed at each of its points.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outlast::{ErrorKind, Running};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::PROGRAM;
use crate::journey::{ID, Known, Outcome, judge};
use crate::place::{self, POINTS};
use crate::point::{self, Point};
use crate::started::{Directory, LIMIT, until, within};

/// Points swept at a time.
const AT_ONCE: usize = 3;

/// What a journey comes to if nothing disturbs it.
pub(crate) struct Undisturbed {
    outcome: Outcome,
    points: BTreeSet<Point>,
    /// What has a body, and so an effect.
    pub(crate) bodies: BTreeSet<String>,
}

pub(crate) async fn undisturbed() -> Undisturbed {
    let directory = Directory::new();
    let log = directory.path().join("log");
    let environment = [("OUTLAST_CRASH_LOG", log.to_str().unwrap())];
    directory.start(PROGRAM, "run", &environment).succeeds().await;
    let running = directory.caller(LIMIT).await;
    let (outcome, executions) = Outcome::of(&running, &directory).await;
    running.shutdown().await;
    outcome.is_whole();
    let log: BTreeSet<String> = std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect();
    let points = place::points(point::of_record(&executions, &log));
    // Either way round: what the record has is reached, and what is reached is on record.
    let named: BTreeSet<String> = points.iter().map(ToString::to_string).collect();
    let unnamed = |point: &&String| !place::UNNAMED.iter().any(|begin| point.starts_with(begin));
    let reached: BTreeSet<String> = log.iter().filter(unnamed).cloned().collect();
    assert_eq!(named, reached);
    assert_eq!(points.len(), POINTS);
    let effects = directory.effects();
    let bodies: BTreeSet<String> = effects.iter().map(|effect| effect.label.clone()).collect();
    assert_eq!(bodies.len(), effects.len(), "undisturbed, each body runs once: {effects:?}");
    Undisturbed { outcome, points, bodies }
}

/// Sweeps the points, a few at a time; names all that failed.
pub(crate) async fn sweep<F>(points: BTreeSet<Point>, at: impl Fn(Point) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = JoinSet::new();
    for point in points {
        let (room, run) = (room.clone(), at(point.clone()));
        all.spawn(async move {
            let _turn = room.acquire().await.unwrap();
            (point, tokio::spawn(run).await.is_ok())
        });
    }
    let swept = all.join_all().await;
    let failed: Vec<_> = swept.iter().filter(|(_, fine)| !fine).map(|(point, _)| point.to_string()).collect();
    assert!(failed.is_empty(), "{} of {} points failed: {failed:#?}", failed.len(), swept.len());
}

/// The environment of processes of which the first one that comes to the point stops there.
pub(crate) fn deadly<'a>(name: &'a str, file: &'a str) -> [(&'a str, &'a str); 2] {
    [("OUTLAST_CRASH_POINT", name), ("OUTLAST_CRASH_FILE", file)]
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_point_a_journey_ends_as_if_nothing_had_been() {
    let undisturbed = Arc::new(undisturbed().await);
    sweep(undisturbed.points.clone(), |point| alone(point, undisturbed.clone())).await;
}

/// One process: killed at the point, and started again.
async fn alone(point: Point, undisturbed: Arc<Undisturbed>) {
    let directory = Directory::new();
    let (name, file) = (point.to_string(), directory.path().join("point"));
    let mut first = directory.start(PROGRAM, "run", &deadly(&name, file.to_str().unwrap()));
    until(&format!("{point} is reached"), || {
        assert!(first.ended().is_none(), "{point} was never reached: {}", first.said());
        file.exists()
    })
    .await;
    first.kill();
    let known = place::known_of_the_dead(&directory).await;
    directory.start(PROGRAM, "run", &[]).succeeds().await;
    judge(&point, first.pid(), &known, &undisturbed.bodies, directory.path());
    compare(&point, &undisturbed, &directory).await;
}

pub(crate) async fn compare(point: &Point, undisturbed: &Undisturbed, directory: &Directory) {
    let running = directory.caller(LIMIT).await;
    let (outcome, _) = Outcome::of(&running, directory).await;
    assert_eq!(outcome, undisturbed.outcome, "{point}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_point_a_worker_is_stood_in_for_by_two_others() {
    let undisturbed = Arc::new(undisturbed().await);
    let mut points = undisturbed.points.clone();
    // Others needn't come to the beginning and the end of a process.
    points.retain(|point| point.label != "register" && point.label != "leave");
    if let Ok(only) = std::env::var("ONLY") {
        points.retain(|point| point.to_string() == only);
    }
    sweep(points, |point| among_three(point, undisturbed.clone())).await;
}

/// Three workers on one file, and someone who sends the signal: whoever comes to the point first is killed, the others go
/// on.
async fn among_three(point: Point, undisturbed: Arc<Undisturbed>) {
    let directory = Directory::new();
    let (name, file) = (point.to_string(), directory.path().join("point"));
    let deadly = deadly(&name, file.to_str().unwrap());
    let start = |mode, environment: &[_]| directory.start(PROGRAM, mode, environment);
    // Opened first: whoever stops inside a group keeps everyone else from opening the store until it is killed.
    let running = directory.caller(LIMIT).await;
    let mut programs: Vec<_> = ["create", "work", "work", "signal"].iter().map(|mode| start(mode, &deadly)).collect();
    until(&format!("{point} is reached"), || file.exists()).await;
    let pid: u32 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let victim = programs.iter().position(|program| program.pid() == pid).unwrap();
    let before = Known::of(&running).await;
    programs[victim].kill();
    let after = Known::of(&running).await;
    let exists = after.exists;
    let known = place::known_at_death(&point, before, after);
    if victim == 0 && !exists {
        programs.push(start("create", &[]));
    }
    if victim == 3 {
        programs.push(start("signal", &[]));
    }
    within(&format!("the journey ends after {point}"), ended(&point, &running)).await;
    programs.remove(victim);
    for program in &mut programs {
        match program.ended() {
            Some(status) => assert!(status.success(), "{point}: {status}: {}", program.said()),
            None => program.ask_to_go().await,
        }
    }
    judge(&point, pid, &known, &undisturbed.bodies, directory.path());
    running.shutdown().await;
    compare(&point, &undisturbed, &directory).await;
}

/// Waits for the journey's end: called again a moment later if it hadn't begun.
pub(crate) async fn ended(point: &Point, running: &Running) {
    loop {
        match running.execution(ID).result().await {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{point}: {error:?}"),
        }
    }
}
