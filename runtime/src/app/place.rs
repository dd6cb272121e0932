//! Where the store is: a URL, and what this build can open.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::Store;

/// Opens the store of the settings' URL.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn Store>> {
    let url = settings.store.as_str();
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" | "memory" => embedded(url, settings).await,
        "mongodb" | "mongodb+srv" => server(url, settings).await,
        _ => Err(Error::of(
            ErrorKind::Invalid,
            format!(
                "the store `{}` isn't a URL that outlast knows: write sqlite://shop.db, mongodb://host/shop or memory:",
                shown(url)
            ),
        )),
    }
}

#[cfg(feature = "sqlite")]
async fn embedded(url: &str, settings: &Settings) -> Result<Arc<dyn Store>> {
    use crate::store::sqlite::{SqliteOptions, SqliteStore};
    let mut options = if url == "memory:" {
        SqliteOptions::memory()
    } else {
        let Some(path) = file(url) else {
            return Err(Error::of(
                ErrorKind::Invalid,
                format!("the store `{}` names no file: write sqlite://shop.db", shown(url)),
            ));
        };
        if path == ":memory:" || path.contains('?') {
            return Err(Error::of(
                ErrorKind::Invalid,
                format!(
                    "the store `{}` has parameters, and outlast knows none: write sqlite://shop.db or memory:",
                    shown(url)
                ),
            ));
        }
        SqliteOptions::file(path)
    };
    options.hang = settings.hang_limit;
    options.limit = settings.store_timeout;
    let store: Arc<dyn Store> = SqliteStore::open(options).await?;
    Ok(store)
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unused_async, reason = "as its sibling")]
async fn embedded(url: &str, _: &Settings) -> Result<Arc<dyn Store>> {
    Err(Error::of(
        ErrorKind::Unsupported,
        format!("the store `{}` needs outlast's feature `sqlite`, which this build doesn't have", shown(url)),
    ))
}

#[cfg(feature = "mongodb")]
async fn server(url: &str, settings: &Settings) -> Result<Arc<dyn Store>> {
    use crate::store::mongodb::{MongoOptions, MongoStore};
    let mut options = MongoOptions::new(url);
    options.limit = settings.store_timeout;
    options.lease = settings.hang_limit;
    let store: Arc<dyn Store> = MongoStore::open(options).await?;
    Ok(store)
}

#[cfg(not(feature = "mongodb"))]
#[allow(clippy::unused_async, reason = "as its sibling")]
async fn server(url: &str, _: &Settings) -> Result<Arc<dyn Store>> {
    Err(Error::of(
        ErrorKind::Unsupported,
        format!("the store `{}` needs outlast's feature `mongodb`, which this build doesn't have", shown(url)),
    ))
}

/// The file that a URL names, if it names one.
#[cfg(any(feature = "sqlite", feature = "cli"))]
fn file(url: &str) -> Option<&str> {
    url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).filter(|path| !path.is_empty())
}

/// Who only looks makes no store.
#[cfg(feature = "cli")]
pub(crate) fn must_be_there(url: &str) -> Result<()> {
    match file(url) {
        Some(path) if std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) => {
            Err(Error::of(
                ErrorKind::NotFound,
                format!(
                    "there is no store at `{}` yet: `serve` or `call` makes it, OUTLAST_STORE says where",
                    shown(url)
                ),
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// A URL as it may be shown: without a user's name and password.
pub(crate) fn shown(url: &str) -> String {
    let scheme = url.find("://").map(|scheme| scheme + 3).or_else(|| url.find(':').map(|scheme| scheme + 1));
    match (scheme, url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme <= at => format!("{}•••{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = shown("mongodb+srv://ann:p@ss@cluster/shop?retryWrites=true");
        assert_eq!(shown, "mongodb+srv://•••@cluster/shop?retryWrites=true");
        assert_eq!(super::shown("postgres:ann:pass@cluster"), "postgres:•••@cluster");
    }

    #[cfg(not(feature = "mongodb"))]
    #[tokio::test]
    async fn a_feature_that_is_off_is_named() {
        for url in ["mongodb://ann:pass@host/shop", "mongodb+srv://host"] {
            let error = open(&Settings { store: url.to_owned(), ..Settings::default() }).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("feature `mongodb`") && !error.to_string().contains("pass"), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn parameters_of_a_file_are_refused() {
        for url in ["sqlite://:memory:", "sqlite::memory:", "sqlite://shop.db?mode=memory"] {
            let error = open(&Settings { store: url.to_owned(), ..Settings::default() }).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}: {error:?}");
        }
    }
}
