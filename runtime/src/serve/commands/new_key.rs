//! `new-key`: a fresh key for secrets. Opens no store, and keeps no copy.

use serde::Serialize;

use crate::sealing;
use crate::serve::output::{Done, Output};

#[derive(Serialize)]
struct Answer {
    key: String,
}

pub(crate) fn run(output: &mut Output) -> Done {
    let key = sealing::generate()?;
    if output.json { output.answer(&Answer { key }) } else { output.raw(format!("{key}\n").as_bytes()) }
}
