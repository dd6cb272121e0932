//! What can be asked on the command line: the definition of commands and options, and what was asked, with its types.
//!
//! Only words here: nothing in this file opens a store or prints.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, ColorChoice, Command as Definition, value_parser};
use clap_complete::Shell;

use crate::duration::IntoDuration;
use crate::store::{End, Status};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The store's URL, in place of the environment's and the program's.
    pub(crate) store: Option<String>,
    /// Answers as JSON.
    pub(crate) json: bool,
    /// When to colour.
    pub(crate) colour: ColorChoice,
    /// What to do.
    pub(crate) command: Command,
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run what is due until told to stop.
    Serve,
    /// Call a function.
    Call(Call),
    /// List executions.
    List(List),
    /// Show one execution.
    Show { id: String, full: bool },
    /// Print what happens, line by line.
    Logs { id: Option<String>, follow: bool, limit: usize },
    /// Ask an execution to end.
    Cancel { id: String, reason: String },
    /// Make a parked or waiting execution due.
    Resume { id: String },
    /// Send a signal.
    Signal { id: String, name: String, json: Option<String> },
    /// List the functions of this binary.
    Functions,
    /// Look for what is wrong.
    Doctor { thorough: bool },
    /// Write the whole store to a file.
    Export { to: String },
    /// Fill an empty store from a file.
    Import { from: String },
    /// Make a key for secrets.
    NewKey,
    /// Write a shell's completion script.
    Completions(Shell),
}

/// The arguments of `call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function's name.
    pub(crate) function: String,
    /// Its arguments as JSON text; `-` for standard input.
    pub(crate) json: Option<String>,
    /// The execution's id.
    pub(crate) id: Option<String>,
    /// Only record it.
    pub(crate) detach: bool,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// How much later it starts.
    pub(crate) after: Option<Duration>,
}

/// The arguments of `ls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    /// Only of this function.
    pub(crate) function: Option<String>,
    /// Only with this status.
    pub(crate) status: Option<String>,
    /// Only children of this execution.
    pub(crate) parent: Option<String>,
    /// Only older than this execution.
    pub(crate) before: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// Every status, in the order in which an execution goes through them.
pub(crate) const STATUSES: [Status; 7] = [
    Status::Ready,
    Status::Running,
    Status::Waiting,
    Status::Parked,
    Status::Ended(End::Succeeded),
    Status::Ended(End::Failed),
    Status::Ended(End::Cancelled),
];

/// The heading of options that every command has.
const EVERYWHERE: &str = "With every command";

/// The most that one list shows: a page, not a dump.
const MAX_LIST: i64 = 10_000;

/// Reads the process's arguments. The error is help, a version, or what is wrong, ready to be printed.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let program = program(arguments.first());
    let mut arguments = arguments;
    match arguments.first_mut() {
        Some(first) => *first = program.clone().into(),
        None => arguments.push(program.clone().into()),
    }
    // Help and mistakes are printed while the arguments are being read: the choice must be known before.
    let definition = definition(&program).color(colour_of(&arguments));
    definition.try_get_matches_from(arguments).map(|matches| asked(&matches))
}

/// The binary's own name, as it stands in usages.
pub(crate) fn program(first: Option<&OsString>) -> String {
    let name = first.map(std::path::Path::new).and_then(std::path::Path::file_name);
    let name = name.map_or_else(|| "app".into(), |name| name.to_string_lossy().into_owned());
    name.strip_suffix(std::env::consts::EXE_SUFFIX).map_or(name.clone(), str::to_owned)
}

fn colour_of(arguments: &[OsString]) -> ColorChoice {
    let named = |word: &str| match word {
        "always" => ColorChoice::Always,
        "never" => ColorChoice::Never,
        _ => ColorChoice::Auto,
    };
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if word == "--color" {
            return words.next().map_or(ColorChoice::Auto, |word| named(&word));
        }
        if let Some(word) = word.strip_prefix("--color=") {
            return named(word);
        }
    }
    ColorChoice::Auto
}

/// All commands and options.
pub(crate) fn definition(program: &str) -> Definition {
    let example = |text: &str| format!("Example: {program} {text}");
    Definition::new("app")
        .bin_name(program)
        .display_name(program)
        .version(concat!("(outlast ", env!("CARGO_PKG_VERSION"), ")"))
        .about("Durable functions: executions that outlast their process")
        .after_help(after_help(program))
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(false)
        .subcommand_value_name("COMMAND")
        .args(globals())
        .subcommands([
            Definition::new("serve")
                .about("Run what is due until Ctrl-C or SIGTERM (what happens without a command, too)")
                .after_help(format!(
                    "The first signal lets steps in flight reach their record and gives the rest back; a second one ends \
                     the process at once.\nRUST_LOG says what is logged to standard error.\n\n{}",
                    example("serve --store sqlite://shop.db")
                )),
            call(example(r#"call checkout '{"order": {"cents": 1200}}' --id order-42"#)),
            list(example("ls --status parked")),
            Definition::new("show")
                .about("Show an execution: its arguments, its timeline, its end")
                .after_help(example("show order-42"))
                .arg(id())
                .arg(flag("full", "Show values whole, over as many lines as they take")),
            logs(example("logs -f")),
            Definition::new("cancel")
                .about("Ask an execution to end, with its children; steps in flight get their time to be recorded")
                .after_help(example("cancel order-42 --reason 'ordered twice'"))
                .arg(id())
                .arg(option("reason", "TEXT", "Why, for its timeline").default_value("asked on the command line")),
            Definition::new("resume")
                .about("Make a parked or waiting execution due now")
                .after_help(example("resume order-42"))
                .arg(id()),
            Definition::new("signal")
                .about("Send a signal to an execution; one that comes before the wait isn't lost")
                .after_help(example("signal order-42 rating 5"))
                .arg(id())
                .arg(Arg::new("name").value_name("NAME").required(true).help("The name that it waits for"))
                .arg(json_argument("What it gets, as JSON; `-` reads standard input; null if left out")),
            Definition::new("functions")
                .about("List the durable functions of this binary, with their arguments")
                .after_help(example("functions --json")),
            Definition::new("doctor")
                .about("Look for what is wrong with the store, the key, the functions; exit code 1 if something is")
                .after_help(example("doctor --thorough"))
                .arg(flag("thorough", "Read the whole store; slow on a large one")),
            Definition::new("export")
                .about("Write the whole store to a file: documents, indexes, executions with their records")
                .after_help(format!(
                    "The file holds what the store holds, secrets sealed as they are there, and the key of its digests: keep \
                     it as you keep the store.\n\n{}",
                    example("export shop.outlast")
                ))
                .arg(file("A file that isn't there yet; `-` writes to standard output")),
            Definition::new("import")
                .about("Fill an empty store from a file that `export` wrote, whatever kind the stores are")
                .after_help(example("import shop.outlast --store sqlite://copy.db"))
                .arg(file("The file; `-` reads standard input")),
            Definition::new("new-key")
                .about("Make a key for OUTLAST_KEY; it is printed, and kept nowhere")
                .after_help(example("new-key > key && OUTLAST_KEY=$(cat key) ...").replace("...", program)),
            Definition::new("completions")
                .about("Write a shell's completion script to standard output")
                .after_help(example("completions bash > ~/.local/share/bash-completion/completions/…"))
                .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell))),
        ])
}

fn file(help: &'static str) -> Arg {
    Arg::new("file").value_name("FILE").required(true).help(help)
}

fn globals() -> [Arg; 3] {
    [
        option("store", "URL", "Where executions live: sqlite://FILE or memory: [default: OUTLAST_STORE]")
            .global(true)
            .help_heading(EVERYWHERE),
        flag("json", "Answer as JSON").global(true).help_heading(EVERYWHERE),
        option("color", "WHEN", "Colour the output")
            .global(true)
            .help_heading(EVERYWHERE)
            .default_value("auto")
            .value_parser(value_parser!(ColorChoice)),
    ]
}

fn call(example: String) -> Definition {
    Definition::new("call")
        .about("Call a function and print its result; runs it here, or waits for whoever runs it")
        .after_help(format!(
            "Arguments are a JSON object by name; a missing one is null; a single argument may stand bare: 42 for \
             {{\"order\": 42}}. Text is JSON too: '\"ann\"'.\nA call with an id that is taken joins that execution, or gives \
             its result.\n\n{example}"
        ))
        .arg(Arg::new("function").value_name("FUNCTION").required(true).help("Its name, as in `functions`"))
        .arg(json_argument("Its arguments as JSON; `-` reads standard input"))
        .arg(option("id", "ID", "The execution's id: called twice with it, it runs once"))
        .arg(flag("detach", "Only record the call and print its id: a `serve` runs it"))
        .arg(duration("timeout", "How long it may take, in place of the function's own timeout"))
        .arg(duration("after", "Start so much later"))
}

fn list(example: String) -> Definition {
    let statuses = PossibleValuesParser::new(STATUSES.map(Status::name));
    Definition::new("ls")
        .about("List executions, newest first")
        .after_help(example)
        .arg(option("function", "NAME", "Only of this function"))
        .arg(option("status", "STATUS", "Only with this status").value_parser(statuses))
        .arg(option("parent", "ID", "Only children of this execution"))
        .arg(option("before", "ID", "Only those after this one in the list: the next page"))
        .arg(limit("50", "At most so many"))
}

fn logs(example: String) -> Definition {
    Definition::new("logs")
        .about("Print what is recorded, a line for each event: of one execution, or of the newest")
        .after_help(format!(
            "Following an execution ends with it; following all of them shows the open ones and the newest 200.\n\n{example}"
        ))
        .arg(Arg::new("id").value_name("ID").help("Only of this execution"))
        .arg(flag("follow", "Go on as things happen, until Ctrl-C").short('f'))
        .arg(limit("20", "How many executions to look back"))
}

fn id() -> Arg {
    Arg::new("id").value_name("ID").required(true).help("The execution's id, as in `ls`")
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn json_argument(help: &'static str) -> Arg {
    Arg::new("arguments").value_name("JSON").allow_negative_numbers(true).help(help)
}

fn duration(name: &'static str, help: &'static str) -> Arg {
    let parser = |text: &str| text.into_duration().map_err(|error| error.to_string());
    option(name, "DURATION", help).value_parser(ValueParser::new(parser))
}

fn limit(default: &'static str, help: &'static str) -> Arg {
    option("limit", "N", help).default_value(default).value_parser(value_parser!(i64).range(1..=MAX_LIST))
}

fn after_help(program: &str) -> String {
    format!(
        "\
Environment:
  OUTLAST_STORE  where executions live: sqlite://outlast.db unless set, or memory:
  OUTLAST_KEY    32 random bytes in base64, for functions with secrets: `{program} new-key`
  RUST_LOG       what is logged to standard error, such as `info,outlast=debug`
  NO_COLOR       no colours, if set

Exit codes:
  0    it worked
  1    the function failed, or `doctor` found something
  2    asked wrongly: an argument, a setting, an id that is taken, an execution that has ended
  3    there is no such execution or function
  4    the execution is parked: `{program} show ID` says why
  75   the store is out of reach: try again
  130  ended by Ctrl-C (143: by SIGTERM) before it was done

Example: {program} call checkout '{{\"order\": {{\"cents\": 1200}}}}' --id order-42"
    )
}

fn asked(matches: &ArgMatches) -> Asked {
    let command = match matches.subcommand() {
        None => Command::Serve,
        Some((name, matches)) => command(name, matches),
    };
    Asked {
        store: text(matches, "store"),
        json: matches.get_flag("json"),
        colour: matches.get_one("color").copied().unwrap_or(ColorChoice::Auto),
        command,
    }
}

fn command(name: &str, matches: &ArgMatches) -> Command {
    let id = || needed(matches, "id");
    match name {
        "call" => Command::Call(Call {
            function: needed(matches, "function"),
            json: text(matches, "arguments"),
            id: text(matches, "id"),
            detach: matches.get_flag("detach"),
            timeout: matches.get_one("timeout").copied(),
            after: matches.get_one("after").copied(),
        }),
        "ls" => Command::List(List {
            function: text(matches, "function"),
            status: text(matches, "status"),
            parent: text(matches, "parent"),
            before: text(matches, "before"),
            limit: count(matches),
        }),
        "show" => Command::Show { id: id(), full: matches.get_flag("full") },
        "logs" => Command::Logs { id: text(matches, "id"), follow: matches.get_flag("follow"), limit: count(matches) },
        "cancel" => Command::Cancel { id: id(), reason: needed(matches, "reason") },
        "resume" => Command::Resume { id: id() },
        "signal" => Command::Signal { id: id(), name: needed(matches, "name"), json: text(matches, "arguments") },
        "functions" => Command::Functions,
        "doctor" => Command::Doctor { thorough: matches.get_flag("thorough") },
        "export" => Command::Export { to: needed(matches, "file") },
        "import" => Command::Import { from: needed(matches, "file") },
        "new-key" => Command::NewKey,
        "completions" => Command::Completions(matches.get_one("shell").copied().unwrap_or(Shell::Bash)),
        // clap lets no other name through.
        _ => Command::Serve,
    }
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

/// An argument that clap has made sure of.
fn needed(matches: &ArgMatches, name: &str) -> String {
    text(matches, name).unwrap_or_default()
}

fn count(matches: &ArgMatches) -> usize {
    matches.get_one::<i64>("limit").and_then(|limit| usize::try_from(*limit).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Asked, clap::Error> {
        let words = std::iter::once("/usr/bin/shop").chain(line.iter().copied());
        parse(words.map(OsString::from))
    }

    #[test]
    fn the_definition_holds_together() {
        definition("shop").debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        let asked = read(&[]).unwrap();
        assert_eq!(asked.command, Command::Serve);
        assert_eq!(read(&["--store", "memory:"]).unwrap().store.as_deref(), Some("memory:"));
    }

    #[test]
    fn options_for_all_commands_stand_anywhere() {
        for line in [&["--json", "functions"][..], &["functions", "--json"]] {
            assert!(read(line).unwrap().json, "{line:?}");
        }
        assert_eq!(read(&["ls", "--store", "memory:"]).unwrap().store.as_deref(), Some("memory:"));
        assert_eq!(read(&["ls", "--color", "never"]).unwrap().colour, ColorChoice::Never);
    }

    #[test]
    fn arguments_may_be_negative_or_a_dash() {
        for json in ["-5", "-", "null", "{\"a\": 1}"] {
            let Command::Call(call) = read(&["call", "pay", json, "--after", "1m30s"]).unwrap().command else {
                panic!("not a call")
            };
            assert_eq!(call.json.as_deref(), Some(json));
            assert_eq!(call.after, Some(Duration::from_secs(90)));
        }
    }

    #[test]
    fn mistakes_name_what_fits() {
        let wrong = |line: &[&str]| read(line).unwrap_err().to_string();
        assert!(wrong(&["ls", "--status", "done"]).contains("parked"));
        assert!(wrong(&["call", "pay", "--timeout", "5 parsecs"]).contains("1m30s"));
        assert!(wrong(&["shwo", "x"]).contains("show"));
        assert!(wrong(&["ls", "--limit", "0"]).contains("1..="));
        assert!(wrong(&["show"]).contains("<ID>"));
    }

    #[test]
    fn help_speaks_of_the_binary_and_has_an_example_for_each_command() {
        let help = read(&["--help"]).unwrap_err().to_string();
        for word in ["Usage: shop", "OUTLAST_STORE", "OUTLAST_KEY", "NO_COLOR", "75 "] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
        for command in definition("shop").get_subcommands() {
            let help = read(&[command.get_name(), "--help"]).unwrap_err().to_string();
            assert!(help.contains(&format!("Example: shop {}", command.get_name())), "{help}");
        }
    }

    #[test]
    fn a_colour_is_known_before_the_arguments_are_read() {
        let of = |words: &[&str]| colour_of(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["shop", "--color", "never", "--help"]), ColorChoice::Never);
        assert_eq!(of(&["shop", "ls", "--color=always"]), ColorChoice::Always);
        assert_eq!(of(&["shop", "call", "f", "--", "--color=always"]), ColorChoice::Auto);
    }
}
