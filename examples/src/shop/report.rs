//! What is printed at the end: receipts, bad lines, and what the check found.

use std::fmt::Write;
use std::io;

use crate::check::Checked;
use crate::checkout::Receipt;
use crate::orchestrate::Story;
use crate::purchases::{BadLine, dollars, grouped};

/// Problems shown; the rest is counted.
const SHOWN: usize = 20;

/// The whole report.
pub(crate) fn text(checked: &Checked, bad: &[BadLine], story: Option<&Story>) -> String {
    let mut text = String::new();
    receipts(&mut text, &checked.receipts);
    bad_lines(&mut text, bad);
    summary(&mut text, checked, story);
    text
}

/// Prints it; a reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::Write::write_all(&mut io::stdout().lock(), text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

// Writing into a `String` can't fail: the results below are let go.

fn receipts(text: &mut String, receipts: &[Receipt]) {
    let _ = writeln!(
        text,
        "{:<15} {:>8}  {:<10} {:>5} {:>9}  {:<15}  label",
        "receipt", "customer", "day", "units", "paid", "charge"
    );
    for Receipt { purchase, charge, label } in receipts {
        let (id, customer, day, units) =
            (&purchase.id, format!("{:04}", purchase.customer), purchase.day, purchase.units);
        let paid = dollars(u64::from(purchase.cents));
        let _ = writeln!(text, "{id:<15} {customer:>8}  {day:<10} {units:>5} {paid:>9}  {charge:<15}  {label}");
    }
}

fn bad_lines(text: &mut String, bad: &[BadLine]) {
    let _ = writeln!(text, "\n{} bad lines", bad.len());
    for line in bad {
        let _ = writeln!(text, "  {line}");
    }
}

fn summary(text: &mut String, checked: &Checked, story: Option<&Story>) {
    let number = |number: usize| grouped(number as u64);
    let _ = writeln!(text, "\n{} receipts", number(checked.receipts.len()));
    for (file, cents) in &checked.paid {
        let _ = writeln!(text, "  {} US dollars in {file}.txt", dollars(*cents));
    }
    if let Some(Story { first, second, receipts, under_way }) = story {
        let _ = writeln!(
            text,
            "worker {first} was killed (kill -9) after {} receipts, with {under_way} checkouts under way; worker {second} went on",
            number(*receipts)
        );
    }
    let _ = writeln!(
        text,
        "recorded steps that ran twice: {} (of {} recorded at the kill)",
        number(checked.ran_twice.len()),
        number(checked.recorded_at_kill)
    );
    let _ = writeln!(text, "steps in flight at the kill that ran again: {}", number(checked.ran_again));
    if checked.problems.is_empty() {
        text.push_str(
            "checked: each purchase has one receipt, one charge, one stock movement and one mail, to the cent\n",
        );
    }
}

/// What is off, for standard error.
pub(crate) fn problems(problems: &[String]) -> String {
    let mut text = format!("error: the check found {} problems\n", problems.len());
    for problem in problems.iter().take(SHOWN) {
        let _ = writeln!(text, "  {problem}");
    }
    if problems.len() > SHOWN {
        let _ = writeln!(text, "  … and {} more", problems.len() - SHOWN);
    }
    text
}
