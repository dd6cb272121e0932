//! The command line: what is asked for.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, value_parser};

const ABOUT: &str = "Checks out real purchases by a durable function, and kills its own worker on the way";

const LONG: &str = "Checks out real purchases by a durable function, and kills its own worker on the way.

Each line of examples/data/purchases.txt becomes one execution of `checkout`: a charge, a label, a stock movement in a \
transaction, a short sleep, a mail. They run in a worker process of their own. Half-way that process is killed with \
`kill -9` and started again; it goes on after the last finished step of each checkout. At the end everything is \
checked against the file: one receipt, one charge, one stock movement and one mail for each purchase, to the cent, and \
no recorded step that ran twice.";

const EXAMPLES: &str = "Examples:
  cargo run -p outlast-examples                           500 of them, in a temporary folder
  cargo run -p outlast-examples -- --all                  all 6,919
  cargo run -p outlast-examples -- --dir shop             keeps the store and all files in ./shop
  cargo run -p outlast-examples -- --dir shop --check     checks that folder again

The exit status is 0 if all is as it should be, 1 if not, 2 if the command line is wrong.";

/// What is asked for.
pub(crate) struct Options {
    /// All lines of the real file.
    pub(crate) all: bool,
    /// Receipts after which the worker is killed; half of them by default.
    pub(crate) kill_after: Option<usize>,
    pub(crate) task: Task,
}

/// What this process does.
pub(crate) enum Task {
    /// The whole story.
    Shop { folder: Option<PathBuf> },
    /// Checks the folder of an earlier run.
    Check { folder: PathBuf },
    /// The part that is killed.
    Work { folder: PathBuf, number: u32 },
}

impl Options {
    /// Reads the command line; on a wrong one, or `--help`, it doesn't come back.
    pub(crate) fn read() -> Self {
        let mut found = command().get_matches();
        let folder = found.remove_one::<PathBuf>("dir");
        let number = found.remove_one::<u32>("worker");
        let task = match (folder, number) {
            (Some(folder), Some(number)) => Task::Work { folder, number },
            (Some(folder), None) if found.get_flag("check") => Task::Check { folder },
            (folder, _) => Task::Shop { folder },
        };
        let kill_after = found.remove_one::<u64>("kill-after").and_then(|receipts| receipts.try_into().ok());
        Self { all: found.get_flag("all"), kill_after, task }
    }
}

/// Ends the process as clap does for what it finds wrong by itself.
pub(crate) fn wrong(message: &str) -> ! {
    command().error(ErrorKind::ValueValidation, message).exit()
}

fn command() -> Command {
    Command::new("shop")
        .about(ABOUT)
        .long_about(LONG)
        .after_help(EXAMPLES)
        .arg(
            Arg::new("all").long("all").action(ArgAction::SetTrue).help("All 6,919 purchases instead of the first 500"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .help("A new or empty folder for the store and all files, kept afterwards [default: a temporary one]"),
        )
        .arg(
            Arg::new("kill-after")
                .long("kill-after")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Kills the worker after this many receipts [default: half of them]"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .requires("dir")
                .conflicts_with("kill-after")
                .help("Only checks the folder of an earlier run again (with --all if that had it)"),
        )
        .arg(
            Arg::new("worker")
                .long("worker")
                .value_parser(value_parser!(u32))
                .requires("dir")
                .hide(true)
                .help("The worker process: started by the shop itself"),
        )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_holds_together() {
        super::command().debug_assert();
    }
}
