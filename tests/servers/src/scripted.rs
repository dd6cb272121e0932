//! A server that is only words: it says what a test gives it to say, for servers that can't be had and shouldn't be met.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bson::{DateTime, Document, doc, oid::ObjectId};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::wire::{Command, Message};

type Answer = dyn Fn(&Command) -> Document + Send + Sync;

/// A server in this process that answers `hello` with a document, `ping` and `endSessions` as servers do, and anything
/// else from a closure.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    accepting: AbortHandle,
}

struct Script {
    /// None: nothing is ever answered.
    hello: Option<Document>,
    answer: Box<Answer>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("hello", &self.hello).finish_non_exhaustive()
    }
}

impl ScriptedServer {
    /// A server with this `hello`, which is best made from [`primary`](Self::primary).
    pub async fn start(
        hello: Document,
        answer: impl Fn(&Command) -> Document + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        Self::run(Script { hello: Some(hello), answer: Box::new(answer) }).await
    }

    /// A server that takes connections and never says a word.
    pub async fn silent() -> std::io::Result<Self> {
        Self::run(Script { hello: None, answer: Box::new(|_| Document::new()) }).await
    }

    async fn run(script: Script) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::new(script), address)).abort_handle();
        Ok(Self { address, accepting })
    }

    /// What the primary of a set of one says of itself. Without `setName` it is a server by itself, without
    /// `logicalSessionTimeoutMinutes` it has no sessions, with a small `maxWireVersion` it is an old one.
    pub fn primary() -> Document {
        doc! {
            "ok": 1.0, "isWritablePrimary": true, "ismaster": true, "secondary": false, "readOnly": false,
            "minWireVersion": 0, "maxWireVersion": 25, "logicalSessionTimeoutMinutes": 30,
            "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            "setName": "scripted", "setVersion": 1, "electionId": ObjectId::new(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its connection string.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>, address: SocketAddr) {
    // Connections end with the server: the set is dropped with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // An accept that fails is about the one who has gone already.
        let Ok((client, _)) = listener.accept().await else { continue };
        let script = script.clone();
        connections.spawn(async move {
            // A driver that closes, or says what is no message, is served no longer.
            _ = talk(client, &script, address).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn talk(mut client: TcpStream, script: &Script, address: SocketAddr) -> std::io::Result<()> {
    while let Some(request) = Message::read(&mut client).await? {
        let Some(command) = request.command()? else { continue };
        let Some(reply) = script.reply(&command, address) else { continue };
        if !request.more_to_come() {
            client.write_all(Message::reply(&request, &reply)?.bytes()).await?;
        }
    }
    Ok(())
}

impl Script {
    fn reply(&self, command: &Command, address: SocketAddr) -> Option<Document> {
        let mut hello = self.hello.clone()?;
        match command.name.as_str() {
            "hello" | "ismaster" | "isMaster" => {
                if hello.contains_key("setName") {
                    let me = address.to_string();
                    hello.extend(doc! { "hosts": [&me], "primary": &me, "me": me });
                }
                hello.insert("localTime", DateTime::now());
                Some(hello)
            }
            "ping" | "endSessions" => Some(doc! { "ok": 1.0 }),
            _ => Some((self.answer)(command)),
        }
    }
}
