//! The command line of a binary with `#[outlast::main]`: what was asked (`command_line`), each command (`commands/`), what
//! people see (`timeline`, `events`, `text`) and what scripts get (`shapes`), on its way out (`output`).
//!
//! Nothing below this room knows that there is a command line; nothing in it writes to an execution but through the same
//! calls that programs have.

mod command_line;
mod commands;
mod events;
mod interrupts;
mod logging;
mod output;
mod shapes;
mod text;
mod timeline;
mod times;

use crate::app::App;
use crate::error::Result;
use command_line::{Asked, Command};
use output::{Done, Output, Stopped};

/// Does what the process's arguments ask for. Help, a version and mistakes in the arguments end the process.
pub(crate) async fn run(app: App) -> Result<()> {
    let program = command_line::program(std::env::args_os().next().as_ref());
    let asked = match command_line::parse(std::env::args_os()) {
        Ok(asked) => asked,
        Err(error) => error.exit(),
    };
    let mut output = Output::standard(program, asked.json, asked.colour);
    let done = match answer(app, asked, &mut output).await {
        Ok(()) => output.flush(),
        Err(stopped) => output.flush().and(Err(stopped)),
    };
    match done {
        Ok(()) | Err(Stopped::ReaderGone) => Ok(()),
        Err(Stopped::Error(error)) => Err(error),
    }
}

async fn answer(mut app: App, asked: Asked, output: &mut Output) -> Done {
    if let Some(url) = asked.store {
        app = app.store(url);
    }
    let verbose = asked.command == Command::Serve;
    logging::install(verbose, asked.colour)?;
    match asked.command {
        Command::Serve => commands::serve::run(app, output).await,
        Command::Call(call) => commands::call::run(app, call, output).await,
        Command::List(list) => commands::list::run(app, list, output).await,
        Command::Show { id, full } => commands::show::run(app, &id, full, output).await,
        Command::Logs { id, follow, limit } => commands::logs::run(app, id, follow, limit, output).await,
        Command::Cancel { id, reason } => commands::requests::cancel(app, &id, &reason, output).await,
        Command::Resume { id } => commands::requests::resume(app, &id, output).await,
        Command::Signal { id, name, json } => commands::requests::signal(app, &id, &name, json, output).await,
        Command::Functions => commands::functions::run(output),
        Command::Doctor { thorough } => commands::doctor::run(app, thorough, output).await,
        Command::Export { to } => commands::moving::export(app, &to, output).await,
        Command::Import { from } => commands::moving::import(app, &from, output).await,
        Command::NewKey => commands::new_key::run(output),
        Command::Completions(shell) => commands::completions::run(shell, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_run_in_a_task() {
        fn is_send(_: impl Future<Output = Result<()>> + Send) {}
        is_send(App::new().run());
    }
}
