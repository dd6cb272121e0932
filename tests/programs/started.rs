//! The tests' side of the programs: started, killed, stopped, waited for, and never left behind.

#![allow(dead_code, reason = "several crates of tests share it, and not each uses all")]

use std::any::Any;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use outlast::{App, Running};
use rustix::process::{Pid, Signal};

/// The longest that anything may take: no test waits for ever, and none fails because a machine is slow.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running program; killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    words: PathBuf,
}

impl Program {
    /// Starts `program MODE DIRECTORY` with an environment.
    pub(crate) fn start(program: &str, mode: &str, directory: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(mode.split(' ')).arg(directory).envs(environment.iter().copied());
        Self::of(&mut command, directory, &mode.replace(' ', "-"))
    }

    /// Starts a command; what it says goes into a file of the directory.
    pub(crate) fn of(command: &mut Command, directory: &Path, name: &str) -> Self {
        let words =
            (0..10_000).map(|n| directory.join(format!("stderr-{name}-{n}"))).find(|path| !path.exists()).unwrap();
        let child = command
            // Held until this guard goes, or the whole test does: the program ends with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&words).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
        Self { child, words }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for an end without an error.
    pub(crate) async fn succeeds(&mut self) {
        let mut status = None;
        until("a program ends", || {
            status = self.ended();
            status.is_some()
        })
        .await;
        let status = status.unwrap();
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// SIGTERM, and waits for an orderly end.
    pub(crate) async fn ask_to_go(&mut self) {
        self.send(Signal::TERM);
        self.succeeds().await;
    }

    /// What it wrote to standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes to its end within the limit.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("it took too long: {what}"))
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "it took too long until {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A directory for a test, on the disk of the build, and the store of its programs: removed afterwards, unless the test
/// fails.
pub(crate) struct Directory {
    folder: Option<tempfile::TempDir>,
    store: String,
    /// What its programs are told besides.
    settings: Vec<(&'static str, &'static str)>,
    /// Goes when the directory does.
    held: Box<dyn Any + Send + Sync>,
}

impl Directory {
    /// A directory with a store whose URL may depend on where it is; holds what the store needs.
    pub(crate) fn with_store(url: impl FnOnce(&Path) -> String, held: impl Any + Send + Sync) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = url(folder.path());
        Self { folder: Some(folder), store, settings: Vec::new(), held: Box::new(held) }
    }

    /// Its programs get this in their environment.
    pub(crate) fn set(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    /// The URL of its store.
    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// Starts `program MODE DIRECTORY` on the store, with an environment.
    pub(crate) fn start(&self, program: &str, mode: &str, environment: &[(&str, &str)]) -> Program {
        let mut all = vec![("STORE", &*self.store)];
        all.extend(&self.settings);
        all.extend(environment);
        Program::start(program, mode, self.path(), &all)
    }

    /// A caller of the store, without a worker; how long it waits for an answer.
    pub(crate) async fn caller(&self, patience: Duration) -> Running {
        App::new().store(&*self.store).caller_only().store_timeout(patience).start().await.unwrap()
    }

    /// Says a word to the bodies that wait for one.
    pub(crate) fn tell(&self, word: &str) {
        File::create(self.path().join(word)).unwrap();
    }

    pub(crate) fn effects(&self) -> Vec<Effect> {
        effects(self.path())
    }

    /// The processes in which something ran.
    pub(crate) fn ran(&self, label: &str) -> Vec<u32> {
        self.effects().into_iter().filter(|effect| effect.label == label).map(|effect| effect.pid).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.folder.take()
        {
            eprintln!("left for a look: {}", directory.keep().display());
        }
    }
}

/// A line that a body left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) label: String,
    pub(crate) pid: u32,
    pub(crate) key: String,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
}

/// All lines that bodies left, in order.
pub(crate) fn effects(directory: &Path) -> Vec<Effect> {
    let mut text = std::fs::read_to_string(directory.join("effects")).unwrap_or_default();
    // Half of the last one may be seen, where it lies on two pages.
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    let read = |line: &str| {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_else(|| panic!("a torn line of effects: {line}")).to_owned();
        Effect { label: next(), pid: next().parse().unwrap(), key: next(), at: next().parse().unwrap() }
    };
    text.lines().map(read).collect()
}
