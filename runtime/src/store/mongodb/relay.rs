//! Between the driver and a server, on connections without TLS: lets a reply through to the request that it answers, and to
//! no other.
//!
//! The driver (3.9.1) takes the next message on a connection for the reply to what it sent last. A reply that came twice
//! would be the next request's, that one's the next but one's: writes that failed would be acknowledged, and nothing above
//! the driver could tell. So the driver is made to connect through a SOCKS proxy, and that is this relay, on a port of the
//! loopback device. A connection with TLS needs none: its records are numbered and signed, and one that comes twice ends
//! the connection.

mod socks;
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use mongodb::options::{ClientOptions, ServerAddress, Socks5Proxy, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

use self::socks::Pass;
use self::wire::{Asked, Header, Messages, Verdict};

/// What is read at once: most messages whole, large ones in pieces.
const BUFFER: usize = 32 * 1024;
/// How many may be connected that haven't shown their pass: the port is there for all of the machine. The driver opens
/// two at a time to each server for each client.
const STRANGERS: usize = 128;
/// How long to wait before connections are accepted again after the system had none to give.
const BREATH: Duration = Duration::from_millis(50);

/// Takes the driver's connections until it is dropped; those that are open go on.
pub(super) struct Relay {
    port: u16,
    pass: Arc<Pass>,
    accepting: AbortHandle,
}

impl Relay {
    /// A relay, if connections by these options need one.
    pub(super) async fn for_clients(options: &ClientOptions) -> io::Result<Option<Self>> {
        let encrypted = matches!(options.tls, Some(Tls::Enabled(_)));
        let by_network = options.hosts.iter().any(|host| matches!(host, ServerAddress::Tcp { .. }));
        if encrypted || !by_network {
            return Ok(None);
        }
        Self::start(options.connect_timeout.unwrap_or(LIMIT)).await.map(Some)
    }

    async fn start(limit: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let pass = Arc::new(Pass::draw());
        let accepting = tokio::spawn(accept(listener, pass.clone(), limit)).abort_handle();
        Ok(Self { port, pass, accepting })
    }

    /// How the driver finds it.
    pub(super) fn as_proxy(&self) -> Socks5Proxy {
        Socks5Proxy::builder()
            .host(Ipv4Addr::LOCALHOST.to_string())
            .port(self.port)
            .authentication(self.pass.words())
            .build()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How long a connection may take to come about, where nobody says.
const LIMIT: Duration = Duration::from_secs(10);

async fn accept(listener: TcpListener, pass: Arc<Pass>, limit: Duration) {
    let mut strangers = VecDeque::with_capacity(STRANGERS);
    let mut said = false;
    loop {
        match listener.accept().await {
            Ok((driver, _)) => {
                said = false;
                let admitted = tokio::spawn(admit(driver, pass.clone(), limit));
                make_room(&mut strangers);
                strangers.push_back(admitted.abort_handle());
                tokio::spawn(async move {
                    if let Err(error) = serve(admitted, limit).await {
                        tracing::debug!(%error, "a connection to MongoDB broke");
                    }
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "no connection to MongoDB can be opened");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Sends the one away who has stood there longest. No short limit on time would do: the driver may be busy with a key.
fn make_room(strangers: &mut VecDeque<AbortHandle>) {
    strangers.retain(|stranger| !stranger.is_finished());
    if strangers.len() == STRANGERS
        && let Some(oldest) = strangers.pop_front()
    {
        oldest.abort();
    }
}

async fn admit(mut driver: TcpStream, pass: Arc<Pass>, limit: Duration) -> io::Result<TcpStream> {
    driver.set_nodelay(true)?;
    tokio::time::timeout(limit, socks::admit(&mut driver, &pass)).await??;
    Ok(driver)
}

/// One connection, until either side ends it.
async fn serve(admitted: JoinHandle<io::Result<TcpStream>>, limit: Duration) -> io::Result<()> {
    let mut driver = admitted.await??;
    let mut server = tokio::time::timeout(limit, socks::connect(&mut driver)).await??;
    let asked = Asked::default();
    let (from_driver, to_driver) = driver.split();
    let (from_server, to_server) = server.split();
    let ask = |request: &Header| {
        asked.ask(request);
        Verdict::Passes
    };
    // What is still on its way to a side that is gone is of no use to anybody.
    tokio::select! {
        ended = pump(from_driver, to_server, ask) => ended,
        ended = pump(from_server, to_driver, |reply| asked.answer(reply)) => ended,
    }
}

/// Hands on the messages that `judge` lets through.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut judge: impl FnMut(&Header) -> Verdict,
) -> io::Result<()> {
    let mut messages = Messages::default();
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let read = from.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut done = 0;
        while let Some(piece) = messages.next(&buffer[done..filled], &mut judge)? {
            if piece.passes {
                to.write_all(&buffer[done..done + piece.length]).await?;
            }
            done += piece.length;
        }
        // The beginning of a header.
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn needed(uri: &str) -> bool {
        let options = ClientOptions::parse(uri).await.unwrap();
        Relay::for_clients(&options).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_cannot_come_twice_needs_no_relay() {
        assert!(needed("mongodb://one,two/shop").await);
        assert!(needed("mongodb://one/shop?tls=false").await);
        assert!(!needed("mongodb://one/shop?tls=true").await);
        assert!(!needed("mongodb://%2Ftmp%2Fmongodb-27017.sock/shop").await);
    }

    /// What the relay says to these bytes, until it ends the connection.
    async fn said(relay: &Relay, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        // One that still has something to read ends a connection with a reset.
        let _ = stream.read_to_end(&mut said).await;
        said
    }

    /// What the driver says to be connected to a port of this machine.
    fn greeting(relay: &Relay, password: &str, port: u16) -> Vec<u8> {
        let (name, _) = relay.pass.words();
        let mut bytes = vec![5, 2, 0, 2, 1, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.bytes());
        bytes.push(u8::try_from(password.len()).unwrap());
        bytes.extend(password.bytes());
        bytes.extend([5, 1, 0, 1, 127, 0, 0, 1]);
        bytes.extend(port.to_be_bytes());
        bytes
    }

    const ADMITTED: [u8; 14] = [5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn nobody_is_let_in_but_the_driver() {
        let relay = Relay::start(LIMIT).await.unwrap();
        let behind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = behind.local_addr().unwrap().port();
        let (_, password) = relay.pass.words();
        assert_eq!(said(&relay, &greeting(&relay, &password, port)).await, ADMITTED);
        assert_eq!(said(&relay, &greeting(&relay, "guessed", port)).await, [5, 2, 1, 1]);
        assert_eq!(said(&relay, &[5, 1, 0]).await, [5, 0xff], "without a password");
        assert!(said(&relay, b"GET / HTTP/1.1\r\n\r\n").await.is_empty());
        assert!(behind.accept().await.is_ok());
        let others = tokio::time::timeout(Duration::from_millis(100), behind.accept()).await;
        assert!(others.is_err(), "someone was connected who has no password");
    }

    /// A message of 20 bytes.
    fn message(id: i32, response_to: i32) -> Vec<u8> {
        [20, id, response_to, 2013, 0].into_iter().flat_map(i32::to_le_bytes).collect()
    }

    #[tokio::test]
    async fn a_reply_to_nothing_ends_the_connection() {
        let relay = Relay::start(LIMIT).await.unwrap();
        let behind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (_, password) = relay.pass.words();
        let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).await.unwrap();
        let greeting = greeting(&relay, &password, behind.local_addr().unwrap().port());
        driver.write_all(&greeting).await.unwrap();
        let (mut server, _) = behind.accept().await.unwrap();
        driver.read_exact(&mut [0; ADMITTED.len()]).await.unwrap();
        driver.write_all(&message(1, 0)).await.unwrap();
        server.read_exact(&mut [0; 20]).await.unwrap();
        for (id, response_to) in [(90, 1), (90, 1), (91, 77)] {
            server.write_all(&message(id, response_to)).await.unwrap();
        }
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(LIMIT, driver.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "whoever asked would wait for ever");
        assert_eq!(heard, message(90, 1));
    }

    #[tokio::test]
    async fn whoever_holds_the_port_is_sent_away_and_the_driver_let_in() {
        let relay = Relay::start(LIMIT).await.unwrap();
        let mut strangers = Vec::new();
        for _ in 0..3 * STRANGERS {
            strangers.push(TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).await.unwrap());
        }
        assert_eq!(said(&relay, &[5, 1, 0]).await, [5, 0xff], "who comes last is heard");
        let ended = strangers.iter_mut().map(|stranger| tokio::time::timeout(LIMIT / 100, stranger.read_u8()));
        let ended = futures::future::join_all(ended).await.into_iter().flatten().count();
        assert!(ended > 2 * STRANGERS, "{ended} were sent away");
        assert!(strangers.len() - ended < STRANGERS);
    }
}
