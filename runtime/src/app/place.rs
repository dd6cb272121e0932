//! Where the store is: a URL, and what this build can open.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::Store;

/// Opens the store of the settings' URL; makes it if there is none.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn Store>> {
    open_or_make(settings, true).await
}

/// Opens the store of the settings' URL for someone who only looks: makes nothing.
#[cfg(feature = "cli")]
pub(crate) async fn open_existing(settings: &Settings) -> Result<Arc<dyn Store>> {
    must_be_there(&settings.store)?;
    open_or_make(settings, false).await
}

async fn open_or_make(settings: &Settings, make: bool) -> Result<Arc<dyn Store>> {
    let url = settings.store.as_str();
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" | "memory" => embedded(url, settings).await,
        "mongodb" | "mongodb+srv" => server(url, settings, make).await,
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
async fn server(url: &str, settings: &Settings, make: bool) -> Result<Arc<dyn Store>> {
    use crate::store::mongodb::{MongoOptions, MongoStore};
    let mut options = MongoOptions::new(url);
    options.limit = settings.store_timeout;
    options.lease = settings.hang_limit;
    options.make = make;
    let store: Arc<dyn Store> = MongoStore::open(options).await?;
    Ok(store)
}

#[cfg(not(feature = "mongodb"))]
#[allow(clippy::unused_async, reason = "as its sibling")]
async fn server(url: &str, _: &Settings, _: bool) -> Result<Arc<dyn Store>> {
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

/// What the user of a server's URL has to be allowed there, in the words of `createUser`.
#[cfg(feature = "cli")]
pub(crate) fn roles(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.starts_with("mongodb") {
        return None;
    }
    // A password may hold a bare slash; a host may not.
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    let database = hosts.split('?').next()?.split_once('/').map_or("", |(_, database)| database);
    let database = if database.is_empty() { "outlast" } else { database };
    Some(format!("readWrite on {database}: {{ roles: [{{ role: \"readWrite\", db: \"{database}\" }}] }}"))
}

#[cfg(feature = "cli")]
fn must_be_there(url: &str) -> Result<()> {
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

/// A URL as it may be shown: without a user's name and password, and without the options that hold secrets.
pub(crate) fn shown(url: &str) -> String {
    let scheme = url.find("://").map(|scheme| scheme + 3).or_else(|| url.find(':').map(|scheme| scheme + 1));
    let shown = match (scheme, url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme <= at => format!("{}•••{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    };
    let Some((place, options)) = shown.split_once('?') else { return shown };
    let options: Vec<String> = options.split('&').map(shown_option).collect();
    format!("{place}?{}", options.join("&"))
}

/// `tlsCertificateKeyFilePassword`, `proxyPassword`, `authMechanismProperties` (with a session's token) and their like.
fn shown_option(option: &str) -> String {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let lower = name.to_ascii_lowercase();
    if value.is_empty() || !["pass", "properties", "secret", "token"].iter().any(|word| lower.contains(word)) {
        return option.to_owned();
    }
    format!("{name}=•••")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = shown("mongodb+srv://ann:p@ss@cluster/shop?retryWrites=true");
        assert_eq!(shown, "mongodb+srv://•••@cluster/shop?retryWrites=true");
        let options = "tls=true&tlsCertificateKeyFilePassword=p&authMechanismProperties=AWS_SESSION_TOKEN:p&w=1";
        assert_eq!(
            super::shown(&format!("mongodb://cluster/shop?{options}")),
            "mongodb://cluster/shop?tls=true&tlsCertificateKeyFilePassword=•••&authMechanismProperties=•••&w=1"
        );
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

    #[cfg(feature = "cli")]
    #[test]
    fn the_roles_are_those_of_the_urls_database() {
        let of = |url: &str| roles(url).map(|roles| roles.split(':').next().unwrap().to_owned());
        for (url, database) in [
            ("mongodb+srv://ann:p/a@ss@cluster.example.net/sample-db?retryWrites=true&w=majority", "sample-db"),
            ("mongodb://one:27017,two:27018/?replicaSet=rs0", "outlast"),
            ("mongodb://host", "outlast"),
            ("mongodb://host/shop", "shop"),
        ] {
            assert_eq!(of(url), Some(format!("readWrite on {database}")), "{url}");
        }
        assert_eq!(of("sqlite://shop.db"), None);
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
