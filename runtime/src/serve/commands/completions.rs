//! `completions`: a shell's completion script.

use clap_complete::{Shell, generate};

use crate::serve::command_line::definition;
use crate::serve::output::{Done, Output};

pub(crate) fn run(shell: Shell, output: &mut Output) -> Done {
    let program = output.program.clone();
    let mut script = Vec::new();
    generate(shell, &mut definition(&program), program, &mut script);
    output.raw(&script)
}
