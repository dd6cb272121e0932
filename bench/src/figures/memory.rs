//! Bytes of executions that are parked, and of those in memory: measured by `bench-memory`, which counts them.

use std::process::Command;

use serde::Deserialize;

use super::Setting;
use crate::report::Entry;
use crate::store::Store;
use crate::{Failure, Result};

#[derive(Deserialize)]
struct Counted {
    parked_bytes: f64,
    running_bytes: f64,
    future_bytes: f64,
    allocations_per_step: f64,
    bytes_per_step: f64,
}

pub(crate) fn measure(setting: &Setting) -> Result<Vec<Entry>> {
    let store = Store::new(&setting.folder)?;
    let counts = std::env::current_exe()?.with_file_name("bench-memory");
    let output = Command::new(counts).arg(store.file()).output()?;
    if !output.status.success() {
        return Err(Failure::Wrong(format!("bench-memory failed: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let counted: Counted = serde_json::from_slice(&output.stdout)?;
    let running = counted.running_bytes - counted.future_bytes;
    Ok(vec![
        Entry::new("parked_bytes", "B", vec![counted.parked_bytes]).bar("≤ 64 B each", counted.parked_bytes <= 64.0),
        Entry::new("running_bytes", "B", vec![running])
            .bar("≤ 4 KiB each beside the user's own future", running <= 4096.0)
            .note(format!("the future itself takes {} B", counted.future_bytes)),
        Entry::new("allocations_per_step", "", vec![counted.allocations_per_step])
            .note(format!("{:.0} B allocated a step, of which two records of 200 B", counted.bytes_per_step)),
    ])
}
