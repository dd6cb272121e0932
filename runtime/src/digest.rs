//! Keyed digests: what tells two calls apart without saying what was in them.
//!
//! Keyed (128 bits, random per store), or a card number falls to guessing.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::error::{Error, ErrorKind, Result};
use crate::sealing::Keys;
use crate::store::{Digest, Store};

/// What the key is wrapped for.
const CONTEXT: &[u8] = b"the key of a store's digests";

/// The digests of one store.
#[derive(Clone, Copy)]
pub(crate) struct Digests([u8; 16]);

impl Digests {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The digests of a store whose key is wrapped by `OUTLAST_KEY` where there is one: wrapped here the first time,
    /// and anew when the keys change.
    pub(crate) async fn of_store(store: &dyn Store, keys: Option<&Keys>) -> Result<Self> {
        let kept = store.digest_key();
        let plain = opened(&kept, keys)?;
        if let Some(keys) = keys.filter(|keys| !keys.is_first(&kept)) {
            store.keep_digest_key(keys.seal(&plain, CONTEXT)?).await?;
        }
        Ok(Self(plain))
    }

    /// Whether these keys are the store's.
    #[cfg(feature = "cli")]
    pub(crate) fn check(store: &dyn Store, keys: Option<&Keys>) -> Result<()> {
        opened(&store.digest_key(), keys).map(drop)
    }

    /// For those who only look: no digest is compared.
    pub(crate) fn unused() -> Self {
        Self(crate::engine::random_bytes())
    }

    /// The digest of `parts` for one purpose; parts are told apart by their lengths.
    pub(crate) fn of<'p>(&self, purpose: &str, parts: impl IntoIterator<Item = &'p [u8]>) -> Digest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(purpose.as_bytes());
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        Digest(hasher.finish128().as_bytes())
    }
}

fn opened(kept: &[u8], keys: Option<&Keys>) -> Result<[u8; 16]> {
    match (<[u8; 16]>::try_from(kept), keys) {
        (Ok(plain), _) => Ok(plain),
        (Err(_), Some(keys)) => {
            let opened = keys.open(kept, CONTEXT).map_err(of_another)?;
            opened.try_into().map_err(|_| Error::of(ErrorKind::Damaged, "the store's digest key is damaged"))
        }
        (Err(_), None) => Err(Error::of(
            ErrorKind::Invalid,
            "this store was used with a key: set OUTLAST_KEY to it, or calls can't be told apart",
        )),
    }
}

/// Says what the key is missing for.
fn of_another(error: Error) -> Error {
    if error.kind() != ErrorKind::Invalid {
        return error.context("the store's digest key can't be opened");
    }
    Error::of(
        ErrorKind::Invalid,
        "this store was used with another key: add that one to OUTLAST_KEY after the current one, with a comma between \
         them (a copy wants the key of the store that was exported)",
    )
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
