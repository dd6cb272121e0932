//! Encryption at rest: secret values and keys of a store, sealed with the keys in `OUTLAST_KEY`.
//!
//! Sealed bytes are `version (1) | key id (4) | nonce (24) | ciphertext and tag (XChaCha20-Poly1305)`. The context, such
//! as the name of what is sealed, is authenticated with them, so that a sealed value can't be moved elsewhere. No key
//! and no plain text ever stands in an error or in `Debug`.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};

use crate::error::{Error, ErrorKind, Result};

const VERSION: u8 = 1;
const ID: usize = 4;
const NONCE: usize = 24;

/// The nonce that key ids are made with. A random nonce meets it once in 2^192.
const ID_NONCE: [u8; NONCE] = *b"outlast: the id of a key";

/// The keys of `OUTLAST_KEY`: the first seals, all of them open.
#[derive(Clone)]
pub(crate) struct Keys {
    first: SealingKey,
    more: Vec<SealingKey>,
}

#[derive(Clone)]
struct SealingKey {
    /// Part of what the cipher makes of zeros: it finds the key and says nothing about it.
    id: [u8; ID],
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.all().count())
    }
}

impl Keys {
    /// Reads one or several keys of 32 bytes, in base64 (standard or URL-safe, padded or not) or as 64 hexadecimal
    /// digits, with commas or white space between them.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the number of the key that is wrong, never a part of it.
    pub(crate) fn from_text(text: &str) -> Result<Self> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let mut keys = words.enumerate().map(|(at, word)| match key_bytes(word) {
            Some(bytes) => SealingKey::new(bytes),
            None => Err(Error::of(
                ErrorKind::Invalid,
                format!(
                    "key {} in OUTLAST_KEY is neither 32 bytes in base64 nor 64 hexadecimal digits: it has {} \
                     characters; `openssl rand -base64 32` makes one",
                    at + 1,
                    word.chars().count()
                ),
            )),
        });
        let Some(first) = keys.next() else {
            return Err(Error::of(ErrorKind::Invalid, "OUTLAST_KEY holds no key; `openssl rand -base64 32` makes one"));
        };
        Ok(Self { first: first?, more: keys.collect::<Result<_>>()? })
    }

    /// Seals `plain` with the first key. It opens with the same `context` only.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the operating system has no random bytes, [`ErrorKind::TooLarge`] above 256 GB.
    pub(crate) fn seal(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::<NONCE>()?;
        let payload = Payload { msg: plain, aad: &authenticated(context) };
        let ciphertext = self
            .first
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::of(ErrorKind::TooLarge, "the value is too large to be sealed"))?;
        Ok([&[VERSION][..], &self.first.id, &nonce, &ciphertext].concat())
    }

    /// Whether the first key has sealed it: after a rotation the others can go once nothing else needs them.
    pub(crate) fn is_first(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=ID) == Some(&self.first.id[..])
    }

    /// Opens what one of the keys has sealed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when none of the keys is the one, [`ErrorKind::Damaged`] when the key is there and the
    /// bytes, or the context, are not what was sealed.
    pub(crate) fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>> {
        let Some((&VERSION, sealed)) = sealed.split_first() else {
            return Err(damaged("or of a newer version"));
        };
        let Some((id, sealed)) = sealed.split_first_chunk::<ID>() else {
            return Err(damaged("it ends too early"));
        };
        let Some((nonce, ciphertext)) = sealed.split_first_chunk::<NONCE>() else {
            return Err(damaged("it ends too early"));
        };
        let aad = authenticated(context);
        let known = self.all().filter(|key| key.id == *id);
        // The id is a hint: it may be damaged where the rest is not.
        let others = self.all().filter(|key| key.id != *id);
        for key in known.clone().chain(others) {
            if let Ok(plain) = key.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &aad }) {
                return Ok(plain);
            }
        }
        if known.count() > 0 {
            Err(damaged("or it was sealed for another place"))
        } else {
            Err(Error::of(
                ErrorKind::Invalid,
                "OUTLAST_KEY doesn't hold the key that sealed this value; add the earlier key after the current one, \
                 with a comma between them",
            ))
        }
    }

    fn all(&self) -> impl Iterator<Item = &SealingKey> + Clone {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// A fresh key, as `OUTLAST_KEY` takes it.
///
/// # Errors
/// [`ErrorKind::Unavailable`] when the operating system has no random bytes.
#[cfg(any(feature = "cli", test))]
pub(crate) fn generate() -> Result<String> {
    Ok(base64(&random::<32>()?))
}

impl SealingKey {
    fn new(bytes: [u8; 32]) -> Result<Self> {
        let cipher = XChaCha20Poly1305::new(&Key::from(bytes));
        let made = cipher.encrypt(&XNonce::from(ID_NONCE), &[0; ID][..]);
        let id = made.ok().and_then(|made| made.first_chunk().copied());
        let id = id.ok_or_else(|| Error::of(ErrorKind::Invalid, "a key in OUTLAST_KEY can't be used"))?;
        Ok(Self { id, cipher })
    }
}

/// What is authenticated beside the value: the version, lest a later form be taken for this one, and the context.
fn authenticated(context: &[u8]) -> Vec<u8> {
    [&[VERSION][..], context].concat()
}

fn damaged(how: &str) -> Error {
    Error::of(ErrorKind::Damaged, format!("a sealed value is damaged: {how}"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::of(ErrorKind::Unavailable, format!("the operating system has no random bytes: {error}"))
    })?;
    Ok(bytes)
}

fn key_bytes(word: &str) -> Option<[u8; 32]> {
    match word.len() {
        64 => from_hex(word),
        43 => from_base64(word),
        44 => from_base64(word.strip_suffix('=')?),
        _ => None,
    }
}

fn from_hex(word: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(word.as_bytes().chunks(2)) {
        for &digit in pair {
            *byte = *byte << 4 | char::from(digit).to_digit(16)? as u8;
        }
    }
    Some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads 43 characters without padding, of either alphabet.
fn from_base64(word: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut out = bytes.iter_mut();
    let (mut bits, mut held) = (0_u32, 0);
    for character in word.bytes() {
        let character = match character {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
        let six = ALPHABET.iter().position(|&other| other == character)? as u32;
        bits = (bits << 6 | six) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            *out.next()? = (bits >> held) as u8;
        }
    }
    // Bits left over are zero, or a character was mistyped.
    let left_over = bits & ((1 << held) - 1);
    (out.next().is_none() && left_over == 0).then_some(bytes)
}

#[cfg(any(feature = "cli", test))]
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
