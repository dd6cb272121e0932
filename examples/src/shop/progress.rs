//! How far the work is: a bar where standard error is a terminal, a few plain lines elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows the number of receipts.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    all: usize,
    told: usize,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos} of {len} receipts {elapsed}");
            let bar = ProgressBar::new(all as u64);
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, all, told: 0 }
    }

    /// So many receipts are there.
    pub(crate) fn reached(&mut self, receipts: usize) {
        let tenth = receipts * 10 / self.all.max(1);
        match &self.bar {
            Some(bar) => bar.set_position(receipts as u64),
            None if tenth > self.told => say(&format!("{receipts} of {} receipts", self.all)),
            None => {}
        }
        self.told = self.told.max(tenth);
    }

    /// Something happened.
    pub(crate) fn tell(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(what)),
            None => say(what),
        }
    }

    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A closed standard error is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
