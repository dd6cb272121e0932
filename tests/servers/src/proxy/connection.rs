//! One connection through the proxy: requests one way, replies the other, each with the fault that is meant for it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bson::Document;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Shared;
use super::rule::Fault;
use crate::wire::Message;

/// What is to become of a reply.
#[derive(Debug)]
enum Fate {
    Lost,
    Repeated,
    RepeatedLate,
    Dropped,
    /// Replaced by the answer to this request.
    Replaced(Message, Document),
}

struct Connection<'a> {
    shared: &'a Shared,
    /// By the id of the request.
    fates: Mutex<HashMap<i32, Fate>>,
    // Both ways write to the client: replies, and answers of the proxy's own.
    client: tokio::sync::Mutex<OwnedWriteHalf>,
}

/// Passes on until one side closes, or a fault closes both.
pub(super) async fn pass(client: TcpStream, server: TcpStream, shared: &Shared) {
    // Small messages, each waited for.
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection { shared, fates: Mutex::default(), client: tokio::sync::Mutex::new(to_client) };
    // How a side ended is the driver's to see.
    tokio::select! {
        _ = connection.requests(from_client, to_server) => {}
        _ = connection.replies(from_server) => {}
    }
}

/// Sends a request by itself.
async fn again(server: String, request: Message, later: Duration) -> std::io::Result<()> {
    tokio::time::sleep(later).await;
    let mut connection = TcpStream::connect(server).await?;
    connection.write_all(request.bytes()).await?;
    Message::read(&mut connection).await.map(drop)
}

impl Connection<'_> {
    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        while let Some(request) = Message::read(&mut from).await? {
            if self.request(request, &mut to).await?.is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn request(&self, request: Message, to: &mut OwnedWriteHalf) -> std::io::Result<ControlFlow<()>> {
        let (wait, fault) = self.shared.judge(request.command()?.as_ref());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        self.pause_over().await;
        let fate = match fault {
            None => None,
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                None
            }
            Some(Fault::Again(later)) => {
                drop(tokio::spawn(again(self.shared.server.clone(), request.clone(), later)));
                None
            }
            Some(Fault::LoseRequest) => return Ok(ControlFlow::Break(())),
            Some(Fault::Answer(reply)) => {
                self.answer(&Message::reply(&request, &reply)?).await?;
                return Ok(ControlFlow::Continue(()));
            }
            Some(Fault::LoseReply) => Some(Fate::Lost),
            Some(Fault::RepeatReply) => Some(Fate::Repeated),
            Some(Fault::RepeatReplyLate) => Some(Fate::RepeatedLate),
            Some(Fault::Hang) => Some(Fate::Dropped),
            Some(Fault::AnswerAfter(reply)) => Some(Fate::Replaced(request.clone(), reply)),
        };
        if let Some(fate) = fate {
            self.fates.lock().unwrap_or_else(PoisonError::into_inner).insert(request.id(), fate);
        }
        to.write_all(request.bytes()).await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn replies(&self, mut from: OwnedReadHalf) -> std::io::Result<()> {
        let mut late = None;
        while let Some(reply) = Message::read(&mut from).await? {
            self.pause_over().await;
            if let Some(late) = late.take() {
                self.answer(&late).await?;
            }
            let fate = self.fates.lock().unwrap_or_else(PoisonError::into_inner).remove(&reply.answers());
            match fate {
                None => self.answer(&reply).await?,
                Some(Fate::Lost) => break,
                Some(Fate::Dropped) => {}
                Some(Fate::Repeated) => {
                    self.answer(&reply).await?;
                    self.answer(&reply).await?;
                }
                Some(Fate::RepeatedLate) => {
                    self.answer(&reply).await?;
                    late = Some(reply);
                }
                Some(Fate::Replaced(request, instead)) => self.answer(&Message::reply(&request, &instead)?).await?,
            }
        }
        Ok(())
    }

    async fn answer(&self, reply: &Message) -> std::io::Result<()> {
        self.client.lock().await.write_all(reply.bytes()).await
    }

    async fn pause_over(&self) {
        // The sender lives as long as the connection.
        _ = self.shared.paused.subscribe().wait_for(|paused| !paused).await;
    }
}
