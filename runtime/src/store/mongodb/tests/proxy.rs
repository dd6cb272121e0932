//! A line to the server that can be cut: in the middle of a reply, or for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A line to the server.
pub(super) struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Nothing gets through, and nobody gets in.
    down: watch::Sender<bool>,
    /// Commands with these words whose replies are to be cut off, and how often still.
    cuts: Mutex<(Vec<Vec<u8>>, usize)>,
    cut: AtomicUsize,
}

impl Faults {
    /// Whether the reply to this command is to be cut off.
    fn cuts(&self, asked: &[u8]) -> bool {
        let mut cuts = self.cuts.lock().unwrap();
        let meant = cuts.1 > 0 && cuts.0.iter().all(|word| asked.windows(word.len()).any(|window| window == word));
        if meant {
            cuts.1 -= 1;
            self.cut.fetch_add(1, Ordering::SeqCst);
        }
        meant
    }
}

impl Proxy {
    pub(super) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults { down: watch::Sender::new(false), ..Faults::default() });
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

    /// The next so many commands of this name, on this collection, arrive, and their replies don't.
    pub(super) fn cut_replies(&self, command: &str, collection: &str, count: usize) {
        let words = [command, collection].into_iter().filter(|word| !word.is_empty());
        let words = words.map(|word| format!("{word}\0").into_bytes()).collect();
        *self.faults.cuts.lock().unwrap() = (words, count);
    }

    /// How many replies have been cut off since the last look.
    pub(super) fn has_cut(&self) -> usize {
        self.faults.cut.swap(0, Ordering::SeqCst)
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
        if *faults.down.borrow() {
            return;
        }
        if to_server.write_all(&asked).await.is_err() {
            return;
        }
        let Some(reply) = message(&mut from_server).await else { return };
        if faults.cuts(&asked) {
            return;
        }
        if to_client.write_all(&reply).await.is_err() {
            return;
        }
    }
}

async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut whole = vec![0; 4];
    from.read_exact(&mut whole).await.ok()?;
    let length = u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize;
    whole.resize(length, 0);
    from.read_exact(&mut whole[4..]).await.ok()?;
    Some(whole)
}
