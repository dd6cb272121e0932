//! The program that the crash sweep kills: `sweep-program MODE DIRECTORY`.
//!
//! `run` makes the journey from its call to its result; `create` calls it and works on; `work` only works; `signal` sends
//! the signal that the journey waits for. All but `run` and `signal` end with SIGTERM. What it does stands in one function,
//! [`journey`]: every kind of operation once or twice, each body with an effect of its own.

mod effects;
mod orphan;
mod place;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outlast::prelude::*;
use outlast::{Error, Running};
use tokio::signal::unix::{Signal, SignalKind, signal};

use effects::Effects;

const ID: &str = "journey-1";

fn note(label: &str) -> Result<()> {
    Ok(outlast::state::<Effects>().note(label)?)
}

/// Its name is called twice, with other arguments: the two ordinals of a place differ.
#[step]
async fn stage(number: u32, drawn: u64, at: &str) -> Result<String> {
    note(&format!("stage#{number}"))?;
    let _ = (drawn, at);
    Ok(format!("stage {number}"))
}

#[step]
async fn parcel(trip: &str) -> Result<String> {
    note("parcel#0")?;
    Ok(format!("parcel for {trip}"))
}

#[durable]
async fn errand(trip: String) -> Result<String> {
    parcel(&trip).await
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    #[serde(rename = "_id")]
    id: String,
    bookings: i64,
}

#[transaction]
async fn book(trip: &str) -> Result<i64> {
    note("book#0")?;
    let accounts = collection::<Account>("accounts");
    let filter = doc! { "_id": trip };
    if accounts.update_one(filter.clone(), doc! { "$inc": { "bookings": 1 } }).await?.matched_count == 0 {
        accounts.insert_one(Account { id: trip.to_owned(), bookings: 1 }).await?;
    }
    let booked = accounts.find_one(filter).await?.map(|account| account.bookings);
    booked.ok_or_else(|| Error::terminal("a transaction doesn't see its own write"))
}

async fn branch(side: &'static str) -> Result<String> {
    let mut legs = Vec::new();
    for leg in ["out", "back"] {
        let label = format!("{side}-{leg}#0");
        let step = outlast::step(format!("{side}-{leg}"), async move || {
            note(&label)?;
            Ok(format!("{side} {leg}"))
        });
        legs.push(step.await?);
    }
    Ok(legs.join(", "))
}

static TORTOISE_IS_OFF: AtomicBool = AtomicBool::new(false);

/// Wins the `select!`, but never before the loser has begun.
#[step]
async fn hare() -> Result<String> {
    while !TORTOISE_IS_OFF.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    note("hare#0")?;
    Ok("hare".to_owned())
}

#[step]
async fn tortoise() -> Result<String> {
    note("tortoise#0")?;
    TORTOISE_IS_OFF.store(true, Ordering::Release);
    tokio::time::sleep(Duration::from_secs(600)).await;
    Ok("tortoise".to_owned())
}

/// Neither wins nor loses: it is begun in the `select!` and awaited much later, its outcome on record meanwhile.
#[step]
async fn snail() -> Result<String> {
    noted("ask#0").await;
    note("snail#0")?;
    Ok("snail".to_owned())
}

#[step]
async fn ask() -> Result<()> {
    note("ask#0")?;
    noted("snail#0").await;
    // The snail's outcome comes first, as a rule.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(())
}

/// Waits until something has run, in this process or another.
async fn noted(label: &str) {
    while !outlast::state::<Effects>().has(label) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[durable]
async fn journey(trip: String) -> Result<Vec<String>> {
    let mut log = Vec::new();
    for number in 0..2 {
        // Another value on a replay would be another key.
        let (drawn, at) = (outlast::random::<u64>(), outlast::now().to_string());
        log.push(stage(number, drawn, &at).await?);
    }
    outlast::sleep("500ms").await?;
    log.push(errand(trip.clone()).await?);
    log.push(format!("booked {}", book(&trip).await?));
    let (left, right) = tokio::try_join!(branch("left"), branch("right"))?;
    log.extend([left, right]);
    let mut snail = snail();
    log.push(tokio::select! {
        fast = hare() => fast?,
        slow = tortoise() => slow?,
        slowest = &mut snail => slowest?,
    });
    ask().await?;
    log.push(snail.await?);
    let rating: u8 = outlast::signal("rating").await?;
    log.push(format!("rated {rating}"));
    Ok(log)
}

/// Sends the signal once the journey asks for it: once, whoever was killed on the way.
async fn answer(running: &Running, effects: &Effects) -> Result<()> {
    while !effects.has("ask#0") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let execution = running.execution(ID);
    if execution.details().await?.signals().any(|name| name == "rating") {
        return Ok(());
    }
    execution.signal("rating", &5_u8).await
}

/// Works until it is told to go.
async fn work(mut terminated: Signal, running: Running) -> Result<()> {
    terminated.recv().await;
    running.shutdown().await;
    Ok(())
}

async fn run(running: Running, directory: &Path) -> Result<()> {
    let effects = Effects::new(directory);
    let run = journey("Rügen".to_owned()).id(ID).start().await?;
    let (answered, result) = tokio::join!(answer(&running, &effects), run.result());
    answered?;
    std::fs::write(directory.join("result"), serde_json::to_vec(&result?)?)?;
    running.shutdown().await;
    Ok(())
}

#[outlast::main(worker_threads = 4)]
async fn main() -> Result<()> {
    orphan::end_with_the_test();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [mode, directory] = arguments.as_slice() else {
        return Err(Error::terminal("usage: sweep-program MODE DIRECTORY"));
    };
    let directory = PathBuf::from(directory);
    let app = App::new()
        .store(place::store(&directory))
        .state(Effects::new(&directory))
        .park_after("50ms")
        .hang_limit(place::setting("HANG_LIMIT", "10s").as_str())
        .store_timeout("60s");
    // From the first moment on, it goes in order.
    let terminated = signal(SignalKind::terminate())?;
    match mode.as_str() {
        "run" => run(app.start().await?, &directory).await,
        "work" => work(terminated, app.start().await?).await,
        "create" => {
            let running = app.start().await?;
            journey("Rügen".to_owned()).id(ID).start().await?;
            work(terminated, running).await
        }
        "signal" => {
            let running = app.caller_only().start().await?;
            answer(&running, &Effects::new(&directory)).await?;
            running.shutdown().await;
            Ok(())
        }
        other => Err(Error::terminal(format!("no mode `{other}`"))),
    }
}
