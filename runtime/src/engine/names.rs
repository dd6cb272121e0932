//! The names that may stand in a record.

use crate::error::{Error, ErrorKind, Result};

/// Letters, digits and `_ . : / -`, 1 to 255 of them.
pub(crate) fn check(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    if (1..=255).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    let what = if what == "execution" { "execution's id".to_owned() } else { format!("{what} name") };
    Err(Error::of(
        ErrorKind::Invalid,
        format!("the {what} `{shown}` doesn't fit: use 1 to 255 letters, digits and `_ . : / -`"),
    )
    .into_terminal())
}
