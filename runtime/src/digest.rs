//! Keyed digests: what tells two calls apart without saying what was in them.
//!
//! Keyed (128 bits, random per store), or a card number falls to guessing.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::store::Digest;

/// The digests of one store.
#[derive(Clone, Copy)]
pub(crate) struct Digests([u8; 16]);

impl Digests {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The digest of `parts` for one purpose; parts are told apart by their lengths.
    pub(crate) fn of(&self, purpose: &str, parts: &[&[u8]]) -> Digest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(purpose.as_bytes());
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        Digest(hasher.finish128().as_bytes())
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
