//! The table, and the same as JSON.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::Result;

/// A figure, with what it is to be compared with.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// Each run's value.
    pub(crate) runs: Vec<f64>,
    /// What the disk, the database or the machine would allow, measured beside each run.
    pub(crate) limit: Option<f64>,
    /// What a peer reaches.
    pub(crate) peer: Option<f64>,
    /// What it is to reach, and whether it does.
    pub(crate) bar: Option<(String, bool)>,
    /// More of interest.
    pub(crate) note: String,
}

impl Entry {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, runs: Vec<f64>) -> Self {
        Self { name: name.into(), unit, runs, limit: None, peer: None, bar: None, note: String::new() }
    }

    pub(crate) fn value(&self) -> f64 {
        median(&self.runs)
    }

    #[must_use]
    pub(crate) fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    #[must_use]
    pub(crate) fn peer(mut self, peer: Option<f64>) -> Self {
        self.peer = peer;
        self
    }

    #[must_use]
    pub(crate) fn bar(mut self, bar: impl Into<String>, reached: bool) -> Self {
        self.bar = Some((bar.into(), reached));
        self
    }

    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// The middle of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The value below which this part of all values lies.
pub(crate) fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length => sorted[((length - 1) as f64 * part).round() as usize],
    }
}

#[derive(Default)]
pub(crate) struct Report(Vec<Entry>);

impl Report {
    /// Adds a figure, and prints its line.
    pub(crate) fn add(&mut self, entry: Entry) {
        if self.0.is_empty() {
            println!("{:<32} {:>12} {:<6} {:>12} {:>12}  bar", "figure", "value", "unit", "limit", "peer");
        }
        let (bar, reached) = match &entry.bar {
            Some((bar, true)) => (bar.as_str(), "reached: "),
            Some((bar, false)) => (bar.as_str(), "NOT REACHED: "),
            None => ("", ""),
        };
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
        println!(
            "{:<32} {:>12} {:<6} {:>12} {:>12}  {reached}{bar}",
            entry.name,
            short(entry.value()),
            entry.unit,
            optional(entry.limit),
            optional(entry.peer),
        );
        if !entry.note.is_empty() {
            println!("    {}", entry.note);
        }
        self.0.push(entry);
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut all = Map::new();
        for entry in &self.0 {
            let runs = [percentile(&entry.runs, 0.0), entry.value(), percentile(&entry.runs, 1.0)];
            let figure: Json = json!({
                "value": entry.value(),
                "unit": entry.unit,
                "limit": entry.limit,
                "peer": entry.peer,
                "runs": runs,
                "bar": entry.bar.as_ref().map(|(bar, _)| bar),
                "reached": entry.bar.as_ref().map(|(_, reached)| reached),
                "note": entry.note,
            });
            all.insert(entry.name.clone(), figure);
        }
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)?;
        Ok(())
    }
}

/// A number as people read it.
fn short(value: f64) -> String {
    if value.abs() >= 1_000.0 {
        let mut digits = format!("{value:.0}");
        let mut at = digits.len();
        while at > 3 + usize::from(digits.starts_with('-')) {
            at -= 3;
            digits.insert(at, ',');
        }
        digits
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
