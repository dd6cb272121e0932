//! What goes to standard error while a command runs, unless the program has its own subscriber.

use std::io::{self, IsTerminal};

use clap::ColorChoice;
use tracing_subscriber::EnvFilter;

use super::output::colours;
use crate::error::{Error, ErrorKind, Result};
use crate::function::registry::Registered;

/// Installs a subscriber if there is none. `verbose`: outlast's and the functions' own crates at `info`, others at `warn`.
pub(crate) fn install(verbose: bool, choice: ColorChoice) -> Result<()> {
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => EnvFilter::try_new(directives.trim())
            .map_err(|error| Error::of(ErrorKind::Invalid, format!("RUST_LOG isn't a filter: {error}")))?,
        _ => EnvFilter::new(if verbose { of_functions() } else { "warn".to_owned() }),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours(choice, io::stderr().is_terminal()))
        .with_target(false)
        // A closed standard error is nobody's business: by itself the subscriber would panic over it.
        .log_internal_errors(false);
    // Somebody else may have been faster: then theirs stands.
    let _ = builder.try_init();
    Ok(())
}

/// `warn`, and `info` for outlast and for the crates that functions stand in.
fn of_functions() -> String {
    let functions = inventory::iter::<Registered>.into_iter();
    let crates: std::collections::BTreeSet<_> = functions
        .filter_map(|function| function.0.place.module.split("::").next())
        .filter(|name| !name.is_empty())
        .collect();
    crates.into_iter().chain(["outlast"]).fold("warn".to_owned(), |filter, name| filter + "," + name + "=info")
}
