//! The proxy's side of SOCKS 5 (RFC 1928), as far as the driver speaks it: a name and a password (RFC 1929), and CONNECT.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const VERSION: u8 = 5;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// Of the name and the password (RFC 1929).
const VERSION_OF_PASSWORDS: u8 = 1;
const CONNECT: u8 = 1;

/// As the driver has it where there is no proxy.
const KEEPALIVE: Duration = Duration::from_secs(120);
/// How long one address gets before the next is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// What the driver shows to be let through, and other processes of the machine don't know.
pub(super) struct Pass {
    name: String,
    password: String,
}

impl Pass {
    pub(super) fn draw() -> Self {
        Self { name: "outlast".into(), password: uuid::Uuid::new_v4().simple().to_string() }
    }

    pub(super) fn words(&self) -> (String, String) {
        (self.name.clone(), self.password.clone())
    }
}

fn refused(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Connects to the server that the driver asks for.
pub(super) async fn connect(driver: &mut TcpStream) -> io::Result<TcpStream> {
    let (host, port) = destination(driver).await?;
    let reached = reach(&host, port).await;
    let code = reached.as_ref().map_or_else(code_of, |_| 0);
    // The address behind the code is nobody's: the driver doesn't look at it.
    driver.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    reached
}

/// Lets nobody in but the driver.
pub(super) async fn admit(driver: &mut TcpStream, pass: &Pass) -> io::Result<()> {
    if driver.read_u8().await? != VERSION {
        return Err(refused("who connects doesn't speak SOCKS 5"));
    }
    if !text(driver).await?.contains(&BY_PASSWORD) {
        driver.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(refused("who connects has no password"));
    }
    driver.write_all(&[VERSION, BY_PASSWORD]).await?;
    driver.read_u8().await?;
    let (name, password) = (text(driver).await?, text(driver).await?);
    let admitted = name == pass.name.as_bytes() && password == pass.password.as_bytes();
    driver.write_all(&[VERSION_OF_PASSWORDS, u8::from(!admitted)]).await?;
    if admitted { Ok(()) } else { Err(refused("who connects has a wrong password")) }
}

/// Bytes behind their number.
async fn text(driver: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(driver.read_u8().await?)];
    driver.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn destination(driver: &mut TcpStream) -> io::Result<(String, u16)> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut head = [0; 4];
    driver.read_exact(&mut head).await?;
    if head[..2] != [VERSION, CONNECT] {
        return Err(invalid("the driver asks a proxy for something else than a connection"));
    }
    let host = match head[3] {
        1 => Ipv4Addr::from_bits(driver.read_u32().await?).to_string(),
        3 => String::from_utf8(text(driver).await?).map_err(|_| invalid("a host's name isn't text"))?,
        4 => Ipv6Addr::from_bits(driver.read_u128().await?).to_string(),
        _ => return Err(invalid("an address of an unknown kind")),
    };
    Ok((host, driver.read_u16().await?))
}

/// Connects to the first of a host's addresses that answers.
async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let unknown = |error| io::Error::new(io::ErrorKind::NotFound, error);
    let mut addresses = tokio::net::lookup_host((host, port)).await.map_err(unknown)?;
    let mut attempts = JoinSet::new();
    let mut last = None;
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(TcpStream::connect(address))),
            None if attempts.is_empty() => break,
            None => {}
        }
        match tokio::time::timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(server)))) => {
                server.set_nodelay(true)?;
                SockRef::from(&server).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
                return Ok(server);
            }
            Ok(Some(Ok(Err(error)))) => last = Some(error),
            Ok(_) | Err(_) => {}
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address")))
}

/// What the driver tells of it: RFC 1928, section 6.
fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable => 3,
        io::ErrorKind::HostUnreachable => 4,
        io::ErrorKind::ConnectionRefused => 5,
        io::ErrorKind::TimedOut => 6,
        // "Address type not supported", which the driver's never are: `error::driver` has better words for it.
        io::ErrorKind::NotFound => 8,
        _ => 1,
    }
}
