//! The check of the whole run, against the input file: what must be there once is there once, to the cent.
//!
//! It only reads: the store, the files of the world outside, and the log of bodies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outlast::Error;
use outlast::prelude::*;
use outlast::{End, Filter, Status};

use crate::checkout::{Order, Receipt, STEPS, Stock, checkout};
use crate::outside::{self, UNFINISHED};
use crate::purchases::{Purchase, dollars};
use crate::snapshot::Snapshot;
use crate::worker::app;

mod bodies;

use bodies::Bodies;

/// What the check found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// In the order of the input.
    pub(crate) receipts: Vec<Receipt>,
    /// What the receipts of each input file are together, in cents.
    pub(crate) paid: BTreeMap<String, u64>,
    /// Step bodies that were recorded when the first worker was killed.
    pub(crate) recorded_at_kill: usize,
    /// Recorded bodies that ran once more. Must be empty.
    pub(crate) ran_twice: Vec<String>,
    /// Bodies that were in flight at the kill, and ran again: allowed.
    pub(crate) ran_again: usize,
    /// All that is off.
    pub(crate) problems: Vec<String>,
}

/// Checks a folder against the purchases of the input, and against what its files are known to be together.
pub(crate) async fn check(folder: &Path, purchases: &[Purchase], totals: &[(&str, u64)]) -> Result<Checked> {
    let mut checked = Checked::default();
    if !folder.join("shop.db").exists() {
        return Err(Error::new(format!("the folder {} holds no shop: run it there first", folder.display())));
    }
    let running = app(folder)?.caller_only().start().await?;
    executions(&running, purchases, &mut checked).await?;
    stock(purchases, &mut checked.problems).await?;
    running.shutdown().await;
    sums(purchases, totals, &mut checked);
    charges(folder, purchases, &mut checked.problems)?;
    mails(folder, &checked.receipts, purchases, &mut checked.problems)?;

    let recorded = Snapshot::load(folder)?;
    let bodies = Bodies::read(&fs::read_to_string(outside::bodies(folder))?, &recorded);
    checked.recorded_at_kill = recorded.len();
    checked.problems.extend(bodies.ran_twice.iter().map(|which| format!("{which} ran twice")));
    checked.problems.extend(bodies.missing(purchases));
    checked.ran_twice = bodies.ran_twice;
    checked.ran_again = bodies.ran_again;
    Ok(checked)
}

/// One execution and one receipt for each purchase, each operation once in its record.
async fn executions(running: &outlast::Running, purchases: &[Purchase], checked: &mut Checked) -> Result<()> {
    let problems = &mut checked.problems;
    let found = running.executions(Filter { limit: purchases.len() + 1, ..Filter::default() }).await?.len();
    if found != purchases.len() {
        problems.push(format!("{} purchases, and {found} or more executions", purchases.len()));
    }
    for purchase in purchases {
        let id = purchase.id.as_str();
        let execution = match running.execution(id).details().await {
            Ok(execution) => execution,
            Err(error) => {
                problems.push(format!("{id} was not checked out: {error}"));
                continue;
            }
        };
        if execution.status() != Status::Ended(End::Succeeded) {
            problems.push(format!("{id} has no receipt: it is {}", execution.status().name()));
            continue;
        }
        let names: Vec<_> = execution.operations().map(|(name, ..)| name).collect();
        for name in STEPS.into_iter().chain([".sleep"]) {
            let times = names.iter().filter(|other| **other == name).count();
            if times != 1 {
                problems.push(format!("{id} has {times} records of `{name}`"));
            }
        }
        // Called again by its id, a checkout that has ended gives its recorded receipt.
        let receipt = checkout(purchase.clone()).id(id).await?;
        if receipt.purchase != *purchase {
            problems.push(format!("{id} has the receipt of {:?}", receipt.purchase));
        }
        checked.receipts.push(receipt);
    }
    Ok(())
}

/// What customers paid, by the receipts and by the file; and all together, by what is known of the file.
fn sums(purchases: &[Purchase], totals: &[(&str, u64)], checked: &mut Checked) {
    let paid = || checked.receipts.iter().map(|receipt| &receipt.purchase);
    let by_customer = |purchase: &Purchase| format!("customer {:04}", purchase.customer);
    differences(&sum_by(by_customer, purchases.iter()), &sum_by(by_customer, paid()), &mut checked.problems);
    checked.paid = sum_by(|purchase| purchase.file().to_owned(), paid());
    let totals = totals.iter().map(|(file, total)| ((*file).to_owned(), *total)).collect();
    differences(&totals, &checked.paid, &mut checked.problems);
}

fn sum_by<'a>(
    key: impl Fn(&Purchase) -> String,
    purchases: impl Iterator<Item = &'a Purchase>,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for purchase in purchases {
        *sums.entry(key(purchase)).or_default() += u64::from(purchase.cents);
    }
    sums
}

fn differences(bought: &BTreeMap<String, u64>, paid: &BTreeMap<String, u64>, problems: &mut Vec<String>) {
    for key in bought.keys().chain(paid.keys().filter(|key| !bought.contains_key(*key))) {
        let (bought, paid) = (bought.get(key), paid.get(key));
        if bought != paid {
            let shown = |cents: Option<&u64>| dollars(cents.copied().unwrap_or_default());
            problems.push(format!("{key}: bought for {}, receipts for {}", shown(bought), shown(paid)));
        }
    }
}

/// One movement of the stock and one order for each purchase.
async fn stock(purchases: &[Purchase], problems: &mut Vec<String>) -> Result<()> {
    let stock = collection::<Stock>("stock").find_one(doc! { "_id": "records" }).await?;
    let movements = i64::try_from(purchases.len())?;
    let units = purchases.iter().map(|purchase| i64::from(purchase.units)).sum();
    let wanted = Stock { id: "records".to_owned(), units, movements };
    if stock.as_ref() != Some(&wanted) {
        problems.push(format!("the stock is {stock:?}, and should be {wanted:?}"));
    }
    let orders = collection::<Order>("orders").find(doc! {}).await?.to_vec().await?;
    once_each("order", purchases, orders.iter().map(|order| order.id.as_str()), problems);
    let orders: BTreeMap<_, _> = orders.iter().map(|order| (order.id.as_str(), order)).collect();
    for purchase in purchases {
        if orders.get(purchase.id.as_str()).is_some_and(|order| **order != Order::of(purchase)) {
            problems.push(format!("the order of {} is another one than the purchase", purchase.id));
        }
    }
    Ok(())
}

/// One charge for each purchase, of the right amount.
fn charges(folder: &Path, purchases: &[Purchase], problems: &mut Vec<String>) -> Result<()> {
    let mut charged = Vec::new();
    for name in files(&outside::charges(folder))? {
        charged.push(fs::read_to_string(outside::charges(folder).join(name))?);
    }
    let charged: Vec<_> = charged.iter().map(|charge| charge.trim_end().split_once(' ').unwrap_or_default()).collect();
    once_each("charge", purchases, charged.iter().map(|(id, _)| *id), problems);
    let cents: BTreeMap<_, _> = purchases.iter().map(|purchase| (purchase.id.as_str(), purchase.cents)).collect();
    for (id, amount) in charged {
        if cents.get(id).is_some_and(|cents| cents.to_string() != amount) {
            problems.push(format!("{id} was charged {amount} cents"));
        }
    }
    Ok(())
}

/// One mail for each purchase, which names the charge of its receipt.
fn mails(folder: &Path, receipts: &[Receipt], purchases: &[Purchase], problems: &mut Vec<String>) -> Result<()> {
    let names = files(&outside::mails(folder))?;
    let ids = || names.iter().map(|name| name.split('.').next().unwrap_or_default());
    once_each("mail", purchases, ids(), problems);
    let names: BTreeMap<_, _> = ids().zip(&names).collect();
    for Receipt { purchase, charge, label } in receipts {
        let Some(name) = names.get(purchase.id.as_str()) else { continue };
        let text = fs::read_to_string(outside::mails(folder).join(name))?;
        if !text.contains(charge) || !text.contains(label) {
            problems.push(format!("the mail of {} names another charge or label than its receipt", purchase.id));
        }
    }
    Ok(())
}

/// Names of whole files, in order.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // Left by a process that was killed while it wrote: never a whole file.
        if Path::new(&name).extension().is_none_or(|extension| extension != UNFINISHED) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Exactly one of a thing for each purchase, and none for anything else.
fn once_each<'a>(what: &str, purchases: &[Purchase], found: impl Iterator<Item = &'a str>, problems: &mut Vec<String>) {
    let mut times: BTreeMap<&str, usize> = purchases.iter().map(|purchase| (purchase.id.as_str(), 0)).collect();
    for id in found {
        match times.get_mut(id) {
            Some(times) => *times += 1,
            None => problems.push(format!("there is a {what} for {id:?}, which nobody bought")),
        }
    }
    let wrong = times.into_iter().filter(|(_, times)| *times != 1);
    problems.extend(wrong.map(|(id, times)| format!("{id} has {times} {what}s instead of one")));
}
