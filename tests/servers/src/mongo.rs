//! A MongoDB for a test: a database of its own, at a server that many tests share or at one of its own.
//!
//! The shared one is `MONGODB_URI` if that is set; else a `mongod` on the PATH, as a set of one; else SecantusDB, which
//! `./tests/run servers` installs. Servers of a test's own are always started here.

mod certificates;
mod program;
mod server;
mod uri;

use std::sync::OnceLock;

use bson::doc;
use mongodb::{Client, Database};
use rustix::process::Signal;

use crate::random_name;
use server::Server;
use uri::Uri;

/// A database at a server; gone when this is dropped.
#[derive(Debug)]
pub struct Mongo {
    place: Place,
    database: String,
}

#[derive(Debug)]
enum Place {
    Given(Uri),
    Shared(&'static Server),
    Own(Server),
}

impl Mongo {
    /// A database at the shared server.
    pub fn start() -> Self {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        let place = match std::env::var("MONGODB_URI") {
            Ok(uri) => Place::Given(Uri::parse(&uri).unwrap_or_else(|error| panic!("MONGODB_URI: {error}"))),
            Err(_) => match SHARED.get_or_init(|| Server::start(false, false)) {
                Ok(server) => Place::Shared(server),
                Err(error) => panic!("{error}"),
            },
        };
        Self { place, database: random_name() }
    }

    /// A database at a server that this test has for itself, and may stop and kill.
    pub fn alone() -> Self {
        Self::own(Server::start(false, false))
    }

    /// As [`alone`](Self::alone), and the server asks for a name and a password (SCRAM): [`uri`](Self::uri) has them.
    pub fn with_auth() -> Self {
        Self::own(Server::start(true, false))
    }

    /// As [`alone`](Self::alone), and the server speaks TLS: [`uri`](Self::uri) names its authority.
    pub fn with_tls() -> Self {
        Self::own(Server::start(false, true))
    }

    fn own(server: Result<Server, String>) -> Self {
        match server {
            Ok(server) => Self { place: Place::Own(server), database: random_name() },
            Err(error) => panic!("{error}"),
        }
    }

    /// The URI of the database.
    pub fn uri(&self) -> String {
        self.place.uri().of_database(&self.database)
    }

    /// The URI of the database by way of another address, a proxy's.
    pub fn uri_through(&self, address: impl ToString) -> String {
        self.place.uri().through(&address.to_string()).of_database(&self.database)
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.database
    }

    /// Host and port of the server that takes writes.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Shared(server) => server.address(),
            Place::Own(server) => server.address(),
            Place::Given(uri) => {
                let primary = uri.of_database(&self.database);
                let hello = async { client(&primary).await?.database("admin").run_command(doc! { "hello": 1 }).await };
                let hello = block_on(hello).unwrap_or_else(|error| panic!("{uri:?} doesn't answer: {error}"));
                hello.get_str("primary").unwrap_or_else(|_| panic!("no primary: {hello}")).to_owned()
            }
        }
    }

    /// A client of the calling runtime.
    pub async fn client(&self) -> Client {
        let uri = self.uri();
        client(&uri).await.unwrap_or_else(|error| panic!("{uri}: {error}"))
    }

    /// The database, by a client of its own.
    pub async fn database(&self) -> Database {
        self.client().await.database(&self.database)
    }

    /// Whether the server only stands in for MongoDB.
    pub async fn is_stand_in(&self) -> bool {
        let built = self.database().await.run_command(doc! { "buildInfo": 1 }).await;
        built.unwrap_or_else(|error| panic!("{}: {error}", self.uri())).contains_key("secantusVersion")
    }

    /// The number of the server's process.
    pub fn pid(&self) -> u32 {
        self.server().pid().unwrap_or_else(|| panic!("the server was killed; start it with restart()"))
    }

    /// Stops the server where it stands (SIGSTOP): it keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a stopped server go on (SIGCONT).
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the server (`kill -9`); its data stays.
    pub fn kill(&self) {
        self.server().kill();
    }

    /// Kills the server if it runs, and starts it on the same port with the same data.
    pub fn restart(&self) {
        self.kill();
        self.server().launch().unwrap_or_else(|error| panic!("{error}"));
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        self.server().log()
    }

    fn signal(&self, signal: Signal) {
        self.server().signal(signal).unwrap_or_else(|error| panic!("{signal:?}: {error}"));
    }

    fn server(&self) -> &Server {
        match &self.place {
            Place::Own(server) => server,
            Place::Given(_) | Place::Shared(_) => panic!("other tests use this server: take Mongo::alone()"),
        }
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        if let Place::Own(_) = self.place {
            return;
        }
        let uri = self.uri();
        let dropped = block_on(async { client(&uri).await?.database(&self.database).drop().await });
        if let Err(error) = dropped {
            eprintln!("the database {} stays behind: {error}", self.database);
        }
    }
}

impl Place {
    fn uri(&self) -> Uri {
        match self {
            Self::Given(uri) => uri.clone(),
            Self::Shared(server) => server.uri(),
            Self::Own(server) => server.uri(),
        }
    }
}

async fn client(uri: &str) -> mongodb::error::Result<Client> {
    Client::with_uri_str(uri).await
}

/// Runs a future to its end on a thread and a runtime of its own, so that tests and destructors may wait for it.
fn block_on<F: Future<Output: Send> + Send>(future: F) -> F::Output {
    let run = || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("no runtime: {error}"),
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
