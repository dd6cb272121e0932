//! Steps: what they may take, what they know, what is recorded of them.

use std::sync::{Arc, Mutex};

use outlast::ErrorKind;
use outlast::prelude::*;

use crate::{Count, always_parking, app};

struct Client {
    greeting: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
}

#[step(skip(client))]
async fn greet(client: &Arc<Client>, person: &Person, words: &[String], end: &str, times: u8) -> Result<String> {
    let one = format!("{} {} {}{end}", client.greeting, person.name, words.join(" "));
    Ok(vec![one; times.into()].join(" "))
}

#[durable]
async fn greets(person: Person) -> Result<String> {
    let client = outlast::state::<Arc<Client>>();
    greet(&client, &person, &["dear".to_owned(), "friend".to_owned()], "!", 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_may_be_borrowed_and_skipped() {
    let client = Arc::new(Client { greeting: "hello".into() });
    let app = App::new().store("memory:").state(client).start().await.unwrap();
    let text = app.scope(async { greets(Person { name: "Ann".into() }).id("greet").await }).await.unwrap();
    assert_eq!(text, "hello Ann dear friend! hello Ann dear friend!");
    let details = app.execution("greet").details().await.unwrap();
    let names: Vec<_> = details.operations().map(|(name, ..)| name.to_owned()).collect();
    assert_eq!(names, ["greet"]);
    app.shutdown().await;
}

#[step]
async fn without() -> Result<()> {
    Ok(())
}

#[step]
async fn with_many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8) -> Result<u8> {
    Ok(a + b + c + d + e + f + g + h + i + j + k + l)
}

#[durable]
async fn few_and_many() -> Result<u8> {
    without().await?;
    with_many(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_takes_none_or_many() {
    let app = app().await;
    assert_eq!(app.scope(async { few_and_many().await }).await.unwrap(), 12);
    app.shutdown().await;
}

static INLINE: Count = Count::new();

#[durable]
async fn inline(words: Vec<String>) -> Result<usize> {
    let captured = words.clone();
    let count = outlast::step("count", async move || {
        if INLINE.add() == 1 {
            return Err(outlast::Error::new("the first time always fails"));
        }
        Ok(captured.len())
    })
    .await?;
    outlast::sleep("1ms").await?;
    Ok(count + words.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_step_is_a_step() {
    let app = always_parking().await;
    let words = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(app.scope(async { inline(words).await }).await.unwrap(), 4);
    assert_eq!(INLINE.get(), 2);
    app.shutdown().await;
}

#[step]
async fn outer() -> Result<u32> {
    Ok(inner(1).await? + inner(2).await?)
}

#[step]
async fn inner(n: u32) -> Result<u32> {
    Ok(n * 10)
}

#[durable]
async fn nests() -> Result<u32> {
    outer().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_a_step_runs_as_part_of_it() {
    let app = app().await;
    assert_eq!(app.scope(async { nests().id("nest").await }).await.unwrap(), 30);
    let details = app.execution("nest").details().await.unwrap();
    assert_eq!(details.operations().count(), 1, "the inner ones leave no record");
    app.shutdown().await;
}

static KEYS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

#[step(retry(initial = "1ms"))]
async fn keyed(name: &str) -> Result<()> {
    let mut keys = KEYS.lock().unwrap();
    keys.push((name.to_owned(), outlast::idempotency_key()));
    if keys.iter().filter(|(of, _)| of == name).count() < 2 { Err(outlast::Error::new("again")) } else { Ok(()) }
}

#[durable]
async fn has_keys() -> Result<()> {
    keyed("a").await?;
    outlast::sleep("1ms").await?;
    keyed("b").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_the_same_over_attempts_and_another_for_each_step() {
    let app = always_parking().await;
    app.scope(async { has_keys().await }).await.unwrap();
    let keys = KEYS.lock().unwrap().clone();
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[0].1, keys[1].1);
    assert_eq!(keys[2].1, keys[3].1);
    assert_ne!(keys[0].1, keys[2].1);
    app.shutdown().await;
}

static ONCE: Count = Count::new();

#[step(at_most_once)]
async fn only_once() -> Result<()> {
    ONCE.add();
    Err(outlast::Error::new("and it failed"))
}

#[durable]
async fn tries_once() -> Result<String> {
    let error = only_once().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    Ok(error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_at_most_once_step_is_never_tried_again() {
    let app = app().await;
    assert_eq!(app.scope(async { tries_once().await }).await.unwrap(), "and it failed");
    assert_eq!(ONCE.get(), 1);
    app.shutdown().await;
}

static RAN: Count = Count::new();

#[step]
async fn raced(millis: u64) -> Result<u64> {
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    RAN.add();
    Ok(millis)
}

#[durable]
async fn races() -> Result<u64> {
    let first = tokio::select! {
        slow = raced(400) => slow?,
        fast = raced(10) => fast?,
    };
    outlast::sleep("1ms").await?;
    Ok(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loser_of_a_select_is_aborted() {
    let app = always_parking().await;
    assert_eq!(app.scope(async { races().await }).await.unwrap(), 10);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(RAN.get(), 1);
    app.shutdown().await;
}

#[step]
async fn number(n: u64) -> Result<u64> {
    tokio::time::sleep(std::time::Duration::from_millis(n % 5)).await;
    Ok(n)
}

#[durable]
async fn fans_out(n: u64) -> Result<u64> {
    let all = futures::future::try_join_all((0..n).map(number)).await?;
    outlast::sleep("1ms").await?;
    let mut rest: futures::stream::FuturesUnordered<_> = (0..n).map(|i| number(i + n)).collect();
    let mut sum: u64 = all.iter().sum();
    while let Some(next) = futures::StreamExt::next(&mut rest).await {
        sum += next?;
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn combinators_of_any_crate_work() {
    let app = always_parking().await;
    assert_eq!(app.scope(async { fans_out(60).await }).await.unwrap(), (0..120).sum::<u64>());
    app.shutdown().await;
}
