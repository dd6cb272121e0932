//! The server of these tests: that of `MONGODB_URI`, or one that is started once from the program `OUTLAST_SECANTUS`
//! names (`secantusd-py`, from the Python package `SecantusDB`) and ends with this process.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

struct Server {
    uri: String,
    /// Its end is the server's.
    _process: Option<(Child, tempfile::TempDir)>,
}

/// Where the server is.
pub(in crate::store::mongodb) fn uri() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).uri.clone()
}

/// Its host and port.
pub(in crate::store::mongodb) fn address() -> String {
    let uri = uri();
    let rest = uri.trim_start_matches("mongodb://");
    rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap().to_owned()
}

/// A server that is no replica set.
pub(in crate::store::mongodb) fn standalone() -> Standalone {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = started(&program(), port, &directory.path().join("db"), &["--standalone"]);
    Standalone { port, child, _directory: directory }
}

pub(in crate::store::mongodb) struct Standalone {
    port: u16,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Standalone {
    pub(in crate::store::mongodb) fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/shop", self.port)
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        // The end of its input is the end of the server.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program() -> String {
    std::env::var("OUTLAST_SECANTUS").expect(
        "these tests need a server: set MONGODB_URI to a replica set's, or OUTLAST_SECANTUS to the program \
         `secantusd-py` (pip install --pre SecantusDB)",
    )
}

/// A database that nobody else has.
pub(in crate::store::mongodb) fn new_database() -> String {
    format!("t{}", crate::digest::hex(&super::super::random::<6>().unwrap()))
}

fn start() -> Server {
    if let Ok(uri) = std::env::var("MONGODB_URI") {
        return Server { uri, _process: None };
    }
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = started(&program(), port, &directory.path().join("db"), &[]);
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    Server { uri, _process: Some((child, directory)) }
}

/// The shell waits for the end of its input, which is that of this process however it comes, and ends the server.
const UNTIL_THE_END: &str = r#""$@" >/dev/null 2>&1 & read _; kill $!"#;

/// Starts a server and waits until it listens.
#[allow(clippy::zombie_processes, reason = "it ends with this process, or with who has it")]
fn started(program: &str, port: u16, directory: &std::path::Path, arguments: &[&str]) -> Child {
    let mut child = Command::new("sh")
        .args([
            "-c",
            UNTIL_THE_END,
            "sh",
            program,
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            // All of these tests at once: where it is full, the stand-in may stand still for good.
            "--cache-size",
            "4G",
            "--storage-path",
        ])
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the server starts");
    for _ in 0..400 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(child.stdin.take());
    let _ = child.wait();
    panic!("the server `{program}` doesn't listen");
}
