//! A child process that writes into a log and doesn't outlive the tests.
//!
//! Dropped, it is killed. If the process of the tests ends without dropping it (a static, an abort, `kill -9`), its guard
//! does that: a shell that waits for a word on a pipe, and finds the pipe closed.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

/// Waits for the one who started it. `$1` is the process to kill, `$2` the folder that goes with it.
const GUARD: &str = r#"read -r word; [ "$word" = done ] || { kill -9 "$1"; rm -rf "$2"; }"#;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guard: Child,
}

impl Process {
    /// Starts `command`, whose files are all in `folder`; what it says is added to `folder/log`.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> std::io::Result<Self> {
        let out = File::options().create(true).append(true).open(folder.join("log"))?;
        // Groups of their own: a Ctrl-C at the terminal ends the tests, and they end these.
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                _ = child.kill();
                _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; one that has ended gets none.
    pub(crate) fn signal(&self, signal: Signal) -> std::io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("a process without a number"))?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it (`kill -9`) and waits until it is gone.
    fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if let Some(mut word) = self.guard.stdin.take() {
            _ = word.write_all(b"done\n");
        }
        _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
