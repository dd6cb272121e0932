//! Which program is a MongoDB here: `mongod`, else what `./tests/run servers` has set up.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the set of a `mongod` of ours.
pub(super) const SET: &str = "outlast";

/// A server program.
#[derive(Debug, Clone)]
pub(super) enum Program {
    /// MongoDB itself.
    Mongod(PathBuf),
    /// SecantusDB, which speaks its protocol: a stand-in where `mongod` can't be had.
    Secantus(PathBuf),
}

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    /// Ask for names and passwords.
    pub(super) auth: bool,
    /// The certificate with its key, and the one that it is signed by.
    pub(super) tls: Option<Certificates>,
}

/// Files of a server with TLS.
#[derive(Debug, Clone)]
pub(super) struct Certificates {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Certificate and key in one file, as `mongod` takes them.
    pub(super) both: PathBuf,
}

impl Program {
    /// The program that is here, or why there is none.
    pub(super) fn find() -> Result<Self, String> {
        if let Some(mongod) = on_path("mongod") {
            return Ok(Self::Mongod(mongod));
        }
        let here = std::env::current_exe().map_err(|error| format!("can't tell where the tests are: {error}"))?;
        let found = here.ancestors().map(|folder| folder.join("servers/secantusd")).find(|launcher| launcher.is_file());
        found.map(Self::Secantus).ok_or_else(|| {
            "no MongoDB: set MONGODB_URI, put mongod on the PATH, or run `./tests/run servers` once".to_owned()
        })
    }

    /// The command that serves `port` of 127.0.0.1 from files in `folder`.
    pub(super) fn command(&self, folder: &Path, port: u16, options: &Options) -> Command {
        match self {
            Self::Mongod(path) => mongod(path, folder, port, options),
            Self::Secantus(path) => secantus(path, folder, port, options),
        }
    }
}

fn mongod(path: &Path, folder: &Path, port: u16, options: &Options) -> Command {
    let mut command = Command::new(path);
    command.args(["--bind_ip", "127.0.0.1", "--replSet", SET, "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]);
    command.args(["--port", &port.to_string()]).arg("--dbpath").arg(folder.join("data"));
    if options.auth {
        // A set whose members know each other asks its users too.
        command.arg("--keyFile").arg(folder.join("set-key"));
    }
    if let Some(tls) = &options.tls {
        command.args(["--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"]);
        command.arg("--tlsCertificateKeyFile").arg(&tls.both).arg("--tlsCAFile").arg(&tls.authority);
    }
    command
}

fn secantus(path: &Path, folder: &Path, port: u16, options: &Options) -> Command {
    let mut command = Command::new(path);
    // Without `--sync-on-commit`, what is acknowledged as journaled isn't.
    command.args(["--host", "127.0.0.1", "--sync-on-commit", "--cache-size", "256M", "--port", &port.to_string()]);
    command.arg("--storage-path").arg(folder.join("data"));
    if options.auth {
        command.arg("--auth");
    }
    if let Some(tls) = &options.tls {
        command.arg("--tls-cert-file").arg(&tls.certificate).arg("--tls-key-file").arg(&tls.key);
    }
    command
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
