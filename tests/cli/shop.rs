//! A folder with a store and the binary that works on it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
pub(super) const OTHER: &str = env!("CARGO_BIN_EXE_other");
pub(super) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const ORDER: &str = r#"{"order": {"_id": "o-1", "cents": 1200}}"#;
/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Shop {
    pub(super) folder: tempfile::TempDir,
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    #[track_caller]
    pub(super) fn ok(self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        self.out
    }

    #[track_caller]
    pub(super) fn json(self) -> Json {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Failed with this code, and with these words on standard error.
    #[track_caller]
    pub(super) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code(), code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
        assert!(self.err.contains("error: "), "{self:?}");
        assert!(!self.err.contains("panicked at"), "{self:?}");
        self
    }
}

impl Shop {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).env("OUTLAST_KEY", KEY);
        for name in ["OUTLAST_STORE", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(PROGRAM, arguments))
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.command(PROGRAM, arguments))
    }

    /// Waits until an execution has this status.
    #[track_caller]
    pub(super) fn until(&self, id: &str, status: &str) -> Json {
        let begun = Instant::now();
        loop {
            let json = self.run(&["show", id, "--json"]).json();
            if json["status"] == status {
                return json;
            }
            assert!(begun.elapsed() < PATIENCE, "{id} never was {status}: {json:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs to the end; what hangs is killed, and has no exit code.
pub(super) fn said(command: &mut Command) -> Said {
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE * 2) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

/// A process that is killed with its test.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) err: Option<BufReader<ChildStderr>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(super) fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let err = child.stderr.take().map(BufReader::new);
        Self { child, err }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Reads standard error until a line has these words: all lines so far.
    #[track_caller]
    pub(super) fn hears(&mut self, words: &str) -> String {
        let mut heard = String::new();
        let err = self.err.as_mut().unwrap();
        loop {
            let mut line = String::new();
            assert!(err.read_line(&mut line).unwrap() > 0, "{words:?} never came: {heard}");
            heard.push_str(&line);
            if line.contains(words) {
                return heard;
            }
        }
    }

    #[track_caller]
    pub(super) fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it never ended");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn said(mut self) -> Said {
        let status = self.ends();
        let read = |from: Option<&mut dyn Read>| {
            let mut text = String::new();
            from.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let out = read(self.child.stdout.as_mut().map(|out| out as &mut dyn Read));
        let err = read(self.err.as_mut().map(|err| err as &mut dyn Read));
        Said { status, out, err }
    }
}

pub(super) fn keys(json: &Json) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}
