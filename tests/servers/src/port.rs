//! Free ports. They lie below those that systems give to outgoing connections, so that a server that was killed finds its
//! port free when it comes back.

use std::net::TcpListener;

use crate::random;

/// How many ports are tried before a machine is said to have none.
const TRIES: usize = 100;

/// A port of 127.0.0.1 on which nobody listens.
pub(crate) fn free() -> std::io::Result<u16> {
    let mut last = std::io::Error::other("no port was tried");
    for _ in 0..TRIES {
        let port = 15_000 + u16::from_le_bytes(random()) % 17_000;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
