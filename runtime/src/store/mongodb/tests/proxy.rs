//! A line to the server that can be cut: in the middle of a reply, or for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A line to the server.
pub(super) struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

struct Faults {
    /// Nothing gets through, and nobody gets in.
    down: watch::Sender<bool>,
    /// Commands that write to the log whose reply is to be cut off, before others are let through.
    cuts: AtomicUsize,
    /// Commits whose reply is to be cut off.
    commits: AtomicUsize,
    cut: AtomicBool,
}

impl Proxy {
    pub(super) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults {
            down: watch::Sender::new(false),
            cuts: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        });
        let (server, shared) = (server.to_owned(), faults.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*shared.down.borrow()
                    && let Ok(behind) = TcpStream::connect(&server).await
                {
                    tokio::spawn(carry(client, behind, shared.clone()));
                }
            }
        });
        Self { port, faults }
    }

    pub(super) fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    /// Cuts the line, or lets it through again.
    pub(super) fn set_down(&self, down: bool) {
        self.faults.down.send_replace(down);
    }

    /// The next so many inserts into the log arrive, and their replies don't.
    pub(super) fn cut_replies(&self, count: usize) {
        self.faults.cuts.store(count, Ordering::SeqCst);
    }

    /// The same of the next so many commits.
    pub(super) fn cut_commits(&self, count: usize) {
        self.faults.commits.store(count, Ordering::SeqCst);
    }

    pub(super) fn has_cut(&self) -> bool {
        self.faults.cut.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: TcpStream, faults: Arc<Faults>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut down = faults.down.subscribe();
    tokio::select! {
        () = messages(from_client, to_server, from_server, to_client, &faults) => {}
        _ = down.wait_for(|down| *down) => {}
    }
}

/// One message each way at a time, but for those without a reply.
async fn messages(
    mut from_client: OwnedReadHalf,
    mut to_server: OwnedWriteHalf,
    mut from_server: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    faults: &Faults,
) {
    loop {
        let Some(asked) = message(&mut from_client).await else { return };
        let is_insert = contains(&asked, b"insert\0") && contains(&asked, b"outlast.log\0");
        if to_server.write_all(&asked).await.is_err() {
            return;
        }
        let Some(reply) = message(&mut from_server).await else { return };
        let is_commit = contains(&asked, b"commitTransaction\0");
        for (is_it, left) in [(is_insert, &faults.cuts), (is_commit, &faults.commits)] {
            if is_it && left.load(Ordering::SeqCst) > 0 {
                left.fetch_sub(1, Ordering::SeqCst);
                faults.cut.store(true, Ordering::SeqCst);
                return;
            }
        }
        if to_client.write_all(&reply).await.is_err() {
            return;
        }
    }
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut whole = vec![0; 4];
    from.read_exact(&mut whole).await.ok()?;
    let length = u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize;
    whole.resize(length, 0);
    from.read_exact(&mut whole[4..]).await.ok()?;
    Some(whole)
}
