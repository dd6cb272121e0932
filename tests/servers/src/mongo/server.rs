//! One server of ours: a process on a port, with a folder of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use rustix::process::Signal;
use tempfile::TempDir;

use super::program::{Options, Program, SET};
use super::uri::Uri;
use super::{block_on, certificates, client};
use crate::process::Process;
use crate::{port, random_name};

/// How long a server may take until it answers.
const LIMIT: Duration = Duration::from_secs(60);

/// How often another port is tried, if somebody else was quicker on one.
const TRIES: usize = 3;

/// Who may enter a server that asks.
const USER: &str = "tester";

/// A server that this process started.
#[derive(Debug)]
pub(super) struct Server {
    program: Program,
    options: Options,
    port: u16,
    password: Option<String>,
    // Before the folder: dropped in this order.
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl Server {
    /// Starts a server that asks for a password, or speaks TLS, or neither.
    pub(super) fn start(auth: bool, tls: bool) -> Result<Self, String> {
        let program = Program::find()?;
        let mut last = String::new();
        for _ in 0..TRIES {
            let folder =
                TempDir::with_prefix("outlast-mongo-").map_err(|error| format!("no temporary folder: {error}"))?;
            std::fs::create_dir(folder.path().join("data")).map_err(|error| format!("no folder for data: {error}"))?;
            let mut options = Options::default();
            if tls {
                options.tls = Some(certificates::write(folder.path())?);
            }
            let port = port::free().map_err(|error| format!("no free port: {error}"))?;
            let mut server =
                Self { program: program.clone(), options, port, password: None, process: Mutex::new(None), folder };
            match server.prepare(auth) {
                Ok(()) => return Ok(server),
                Err(error) => last = error,
            }
            if !last.to_ascii_lowercase().contains("in use") {
                break;
            }
        }
        Err(last)
    }

    /// The first start: the set is initiated and the user made while nobody is asked who they are.
    fn prepare(&mut self, auth: bool) -> Result<(), String> {
        self.launch()?;
        if let Program::Mongod(_) = self.program {
            let member = doc! { "_id": 0, "host": self.address() };
            self.admin(doc! { "replSetInitiate": { "_id": SET, "members": [member] } })?;
            self.until_primary()?;
        }
        if auth {
            let password = random_name();
            self.admin(doc! { "createUser": USER, "pwd": &password, "roles": ["root"] })?;
            self.kill();
            write_set_key(self.folder.path()).map_err(|error| format!("no key of the set: {error}"))?;
            self.options.auth = true;
            self.password = Some(password);
            self.launch()?;
        }
        Ok(())
    }

    /// Starts the process, and waits until it answers.
    pub(super) fn launch(&self) -> Result<(), String> {
        let mut held = self.process();
        let mut command = self.program.command(self.folder.path(), self.port, &self.options);
        let started = Process::start(&mut command, self.folder.path());
        let mut process =
            started.map_err(|error| format!("can't start {}: {error}", command.get_program().display()))?;
        let begun = Instant::now();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while TcpStream::connect(address).is_err() {
            let ended = process.ended().map_err(|error| format!("can't look after {command:?}: {error}"))?;
            if ended.is_some() || begun.elapsed() > LIMIT {
                let how =
                    ended.map_or_else(|| format!("didn't listen in {LIMIT:?}"), |status| format!("ended: {status}"));
                return Err(format!("{command:?} {how}; its log:\n{}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        *held = Some(process);
        drop(held);
        self.admin(doc! { "hello": 1 }).map(drop).map_err(|error| self.with_log(&error))?;
        // A port that somebody else took in the meantime answers too, but our process has ended then.
        let ended = self.process().as_mut().map(Process::ended);
        match ended {
            Some(Ok(None)) => Ok(()),
            _ => Err(self.with_log("the server ended while it started")),
        }
    }

    fn until_primary(&self) -> Result<(), String> {
        let begun = Instant::now();
        while !self.admin(doc! { "hello": 1 })?.get_bool("isWritablePrimary").unwrap_or(false) {
            if begun.elapsed() > LIMIT {
                return Err(self.with_log(&format!("not a primary after {LIMIT:?}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn admin(&self, command: Document) -> Result<Document, String> {
        let uri = self.uri().of_database("admin");
        let run = async { client(&uri).await?.database("admin").run_command(command.clone()).await };
        block_on(run).map_err(|error| format!("{command} at {uri}: {error}"))
    }

    fn with_log(&self, error: &str) -> String {
        format!("{error}; the server's log:\n{}", self.log())
    }

    pub(super) fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn uri(&self) -> Uri {
        let mut uri = Uri::of_server(&self.address());
        if let Some(password) = &self.password {
            uri.user(USER, password);
        }
        if let Some(tls) = &self.options.tls {
            uri.option("tls", "true");
            uri.option("tlsCAFile", &tls.authority.to_string_lossy());
        }
        uri
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    pub(super) fn signal(&self, signal: Signal) -> std::io::Result<()> {
        match &*self.process() {
            Some(process) => process.signal(signal),
            None => Err(std::io::Error::other("the server was killed; start it with restart()")),
        }
    }

    pub(super) fn kill(&self) {
        drop(self.process().take());
    }
}

/// The key that members of a set know each other by; `mongod` refuses one that others may read.
fn write_set_key(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("set-key");
    std::fs::write(&path, random_name())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400))
}
