//! How a store in MongoDB is opened.

use std::time::Duration;

/// How a store in MongoDB is opened.
#[derive(Clone)]
pub(crate) struct MongoOptions {
    /// Where it is: `mongodb://…` or `mongodb+srv://…`. May hold a password: never shown.
    pub(crate) uri: String,
    /// The database, in place of the URI's.
    pub(crate) database: Option<String>,
    /// How long a caller outside waits before it is told that the store is away.
    pub(crate) limit: Duration,
    /// How long a worker that says nothing keeps what it owns. Renewed three times as often.
    pub(crate) lease: Duration,
    /// How often changes are looked for while the server sends none.
    pub(crate) poll: Duration,
    /// The most connections for the store's and the application's operations, where the URI's `maxPoolSize` says nothing.
    /// Small: of cloud functions hundreds start at once, and a server has 1,500 connections, or 500.
    pub(crate) pool: u32,
    /// Inserts of rows that are under way at once.
    pub(crate) lanes: usize,
    /// Whether a store is made where there is none. Who only looks makes nothing.
    pub(crate) make: bool,
    /// A test hears each command.
    #[cfg(test)]
    pub(super) heard: Option<super::tests::Heard>,
    /// A test counts the connections in pools.
    #[cfg(test)]
    pub(super) pooled: Option<super::tests::Pooled>,
}

impl MongoOptions {
    pub(crate) fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: None,
            limit: Duration::from_secs(10),
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            pool: 3,
            lanes: 4,
            make: true,
            #[cfg(test)]
            heard: None,
            #[cfg(test)]
            pooled: None,
        }
    }
}
