//! A cloud function over a database: inserts, finds, updates and deletes, and shares state between two functions.
//!
//! `cargo run -p outlast-examples --bin crud` runs on the embedded store, in a folder that goes with it. With
//! `--features mongodb` and `OUTLAST_STORE=mongodb+srv://<user>:<password>@<cluster>/sample-db?retryWrites=true&w=majority`
//! the same program runs on MongoDB. It prints what it did, looks itself whether that is right, and fails if it isn't.

use std::process::ExitCode;

use outlast::prelude::*;
use outlast::{IndexModel, IndexOptions, ReturnDocument, Running};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Customer {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    city: String,
    orders: i64,
}

/// What functions that keep no state of their own share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Visits {
    count: u64,
    last: String,
}

const CUSTOMERS: &str = "crud-customers";

fn customers() -> outlast::Collection<Customer> {
    collection(CUSTOMERS)
}

/// Insert: once, however often it is called with its id, and whatever kills it.
#[durable]
async fn register(customer: Customer) -> Result<String> {
    let id = customers().insert_one(&customer).await?.inserted_id;
    note_visit("register", &customer.id).await?;
    Ok(id.to_string())
}

// The README shows what follows.
// readme: begin
/// Find: sorted, and as many as a page holds.
#[durable]
async fn of_city(city: String) -> Result<Vec<String>> {
    let found = customers().find(doc! { "city": &city }).sort(doc! { "orders": -1 }).limit(10).await?;
    Ok(found.to_vec().await?.into_iter().map(|customer| customer.name).collect())
}

/// Update: the move and its count are one transaction.
#[durable]
async fn relocate(id: String, city: String) -> Result<Option<Customer>> {
    let moved = relocated(&id, &city).await?;
    note_visit("relocate", &id).await?;
    Ok(moved)
}

#[transaction]
async fn relocated(id: &str, city: &str) -> Result<Option<Customer>> {
    let moves = outlast::collection::<outlast::bson::Document>("crud-moves");
    moves.insert_one(doc! { "customer": id, "to": city }).await?;
    let update = doc! { "$set": { "city": city }, "$inc": { "orders": 1_i64 } };
    customers().find_one_and_update(doc! { "_id": id }, update).return_document(ReturnDocument::After).await
}
// readme: end

/// Delete.
#[durable]
async fn forget(city: String) -> Result<u64> {
    Ok(customers().delete_many(doc! { "city": &city }).await?.deleted_count)
}

/// Shared state: two functions change it, a third one reads it.
async fn note_visit(function: &str, id: &str) -> Result<()> {
    let last = format!("{function} {id}");
    let visits = outlast::shared::<Visits>("crud-state", "visits");
    visits
        .update(move |visits| {
            visits.count += 1;
            visits.last.clone_from(&last);
        })
        .await
        .map(drop)
}

#[durable]
async fn visits() -> Result<Option<Visits>> {
    outlast::shared::<Visits>("crud-state", "visits").get().await
}

/// What an earlier run has left goes first.
async fn clean() -> Result<()> {
    for name in [CUSTOMERS, "crud-moves", "crud-state"] {
        collection::<Customer>(name).drop().await?;
    }
    let by_city = IndexModel::builder()
        .keys(doc! { "city": 1, "orders": -1 })
        .options(IndexOptions::builder().name("by-city".to_owned()).build())
        .build();
    customers().create_index(by_city).await.map(drop)
}

/// What was found wrong.
#[derive(Default)]
struct Check(Vec<String>);

impl Check {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, came: &T, wanted: &T) {
        println!("{what}: {came:?}");
        if came != wanted {
            self.0.push(format!("{what}: {wanted:?} was wanted, {came:?} came"));
        }
    }
}

async fn crud() -> Result<Vec<String>> {
    let mut check = Check::default();
    clean().await?;
    let new = |id: &str, name: &str, city: &str, orders| Customer {
        id: id.into(),
        name: name.into(),
        city: city.into(),
        orders,
    };
    for customer in [new("1", "Ann", "Oslo", 3), new("2", "Ben", "Oslo", 9), new("3", "Cleo", "Bonn", 1)] {
        let id = customer.id.clone();
        check.same("inserted", &register(customer).await?, &format!("{id:?}"));
    }
    let twice = register(new("1", "Ann", "Oslo", 3)).await;
    let taken = twice.as_ref().is_err_and(outlast::Error::is_duplicate_key);
    check.same("a taken id is refused", &taken, &true);
    check.same("found in Oslo", &of_city("Oslo".into()).await?, &vec!["Ben".into(), "Ann".into()]);
    check.same("moved", &relocate("1".into(), "Bonn".into()).await?, &Some(new("1", "Ann", "Bonn", 4)));
    check.same("moved nobody", &relocate("9".into(), "Bonn".into()).await?, &None);
    check.same("found in Bonn", &of_city("Bonn".into()).await?, &vec!["Ann".into(), "Cleo".into()]);
    check.same("deleted in Bonn", &forget("Bonn".into()).await?, &2);
    check.same("left", &customers().count_documents(doc! {}).await?, &1);
    let shared = Visits { count: 5, last: "relocate 9".into() };
    check.same("shared between functions", &visits().await?, &Some(shared));
    Ok(check.0)
}

async fn start(folder: &std::path::Path) -> Result<Running> {
    let app = App::from_env();
    if std::env::var_os("OUTLAST_STORE").is_some() {
        return app.start().await;
    }
    app.store(format!("sqlite://{}", folder.join("crud.db").display())).start().await
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let app = start(folder.path()).await?;
    let wrong = app.scope(async { crud().await }).await;
    app.shutdown().await;
    let wrong = wrong?;
    for what in &wrong {
        eprintln!("wrong: {what}");
    }
    println!("{}", if wrong.is_empty() { "all of it is right" } else { "that isn't right" });
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
