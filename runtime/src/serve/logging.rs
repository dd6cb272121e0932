//! What goes to standard error while a command runs, unless the program has its own subscriber.

use std::io::{self, IsTerminal};

use clap::ColorChoice;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::output::colours;
use crate::error::{Error, ErrorKind, Result};
use crate::function::registry::Registered;

/// Installs a subscriber if there is none. `verbose`: outlast's and the functions' own crates at `info`, others at `warn`.
pub(crate) fn install(verbose: bool, choice: ColorChoice) -> Result<()> {
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    // By target and level: what more there is to filter by would double what this adds to a build.
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => directives.trim().parse::<Targets>().map_err(|error| {
            Error::of(ErrorKind::Invalid, format!("RUST_LOG isn't a filter such as `info,outlast=debug`: {error}"))
        })?,
        _ => of_functions(if verbose { LevelFilter::INFO } else { LevelFilter::WARN }),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(colours(choice, io::stderr().is_terminal()))
        .with_target(false)
        // A closed standard error is nobody's business: by itself the subscriber would panic over it.
        .log_internal_errors(false);
    // Somebody else may have been faster: then theirs stands.
    let _ = subscriber.finish().with(filter).try_init();
    Ok(())
}

/// `warn`, and this level for outlast and for the crates that functions stand in.
fn of_functions(level: LevelFilter) -> Targets {
    let functions = inventory::iter::<Registered>.into_iter();
    let crates: std::collections::BTreeSet<_> = functions
        .filter_map(|function| function.0.place.module.split("::").next())
        .filter(|name| !name.is_empty())
        .collect();
    let others = Targets::new().with_default(LevelFilter::WARN);
    others.with_targets(crates.into_iter().chain(["outlast"]).map(|name| (name, level)))
}
