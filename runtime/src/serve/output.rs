//! Where answers go: text or JSON on standard output, notes on standard error. A reader that goes away (`| head`) ends a
//! command quietly; nothing here panics on a closed pipe.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ColorChoice;
use serde::Serialize;

use super::text::Line;
use crate::error::{Error, ErrorKind};

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Nobody reads its output any more: not an error.
    ReaderGone,
    /// An error.
    Error(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a command comes to.
pub(crate) type Done<T = ()> = Result<T, Stopped>;

/// A command's output.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// Answers are JSON.
    pub(crate) json: bool,
    colour: bool,
    /// How wide the terminal is; nothing where the output isn't one, and then nothing is cut.
    pub(crate) width: Option<usize>,
    /// The binary's own name, for hints.
    pub(crate) program: String,
}

/// No narrower: what is cut further says nothing.
const NARROWEST: usize = 40;

impl Output {
    /// Standard output.
    pub(crate) fn standard(program: String, json: bool, choice: ColorChoice) -> Self {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(|| {
            terminal_size::terminal_size_of(io::stdout()).map_or(80, |(terminal_size::Width(width), _)| width.into())
        });
        let width = width.map(|width: usize| width.max(NARROWEST));
        let colour = colours(choice, terminal);
        Self { writer: BufWriter::new(Box::new(io::stdout())), json, colour, width, program }
    }

    /// Writes a line of text.
    pub(crate) fn line(&mut self, line: &Line) -> Done {
        let written = line.written(self.colour);
        self.write(|writer| writeln!(writer, "{written}"))
    }

    /// Writes lines of text.
    pub(crate) fn lines(&mut self, lines: &[Line]) -> Done {
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Writes text as it is.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Done {
        self.write(|writer| writer.write_all(bytes))
    }

    /// Writes the answer as JSON: indented for people, in one line for scripts.
    pub(crate) fn answer<T: Serialize + ?Sized>(&mut self, answer: &T) -> Done {
        let text =
            if self.width.is_some() { serde_json::to_string_pretty(answer) } else { serde_json::to_string(answer) };
        self.json_text(text)
    }

    /// Writes one of many answers as a line of JSON.
    pub(crate) fn answer_line<T: Serialize + ?Sized>(&mut self, answer: &T) -> Done {
        self.json_text(serde_json::to_string(answer))
    }

    fn json_text(&mut self, text: serde_json::Result<String>) -> Done {
        let text = text.map_err(|error| Error::from(error).context("the answer can't be written as JSON"))?;
        self.write(|writer| writeln!(writer, "{text}"))
    }

    /// Hands on what was written so far.
    pub(crate) fn flush(&mut self) -> Done {
        self.write(BufWriter::flush)
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>) -> Done {
        write(&mut self.writer).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Stopped::ReaderGone,
            _ => Stopped::Error(
                Error::from(error).with_kind(ErrorKind::Failed).context("standard output can't be written to"),
            ),
        })
    }
}

/// A note for people, on standard error: what isn't part of the answer.
pub(crate) fn note(text: &str) {
    // Where nobody reads it, nothing is lost.
    let _ = writeln!(io::stderr(), "{}", super::text::clean(text));
}

/// Whether to colour what goes to a terminal or elsewhere.
pub(crate) fn colours(choice: ColorChoice, terminal: bool) -> bool {
    wanted(choice, terminal, std::env::var_os("NO_COLOR").as_deref(), std::env::var_os("TERM").as_deref())
}

fn wanted(choice: ColorChoice, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn into(kind: io::ErrorKind) -> Output {
        let writer = BufWriter::with_capacity(1, Box::new(Broken(kind)) as Box<dyn Write + Send>);
        Output { writer, json: false, colour: false, width: None, program: "shop".into() }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        assert!(matches!(into(io::ErrorKind::BrokenPipe).answer(&[1, 2]), Err(Stopped::ReaderGone)));
        let Err(Stopped::Error(error)) = into(io::ErrorKind::StorageFull).answer(&[1, 2]) else {
            panic!("a full disk is an error")
        };
        assert!(error.to_string().contains("standard output"), "{error}");
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let auto = |terminal, no_color: Option<&str>, term: Option<&str>| {
            wanted(ColorChoice::Auto, terminal, no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(auto(true, None, Some("xterm")));
        assert!(auto(true, Some(""), None));
        assert!(!auto(true, Some("1"), Some("xterm")));
        assert!(!auto(true, None, Some("dumb")));
        assert!(!auto(false, None, Some("xterm")));
        assert!(wanted(ColorChoice::Always, false, Some(OsStr::new("1")), None));
        assert!(!wanted(ColorChoice::Never, true, None, None));
    }
}
