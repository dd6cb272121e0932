//! Operations on collections as futures with options, as in MongoDB's own driver: `find(filter).sort(…).limit(…).await`.
//!
//! An action takes its place in a durable function's record when it is called, and becomes the store's operation when it
//! is first polled: in between are its options.

use std::sync::Arc;

use bson::{Bson, Document};

use super::nesting;
use super::operation::{Operation, Reply, Verb};
use crate::engine::{self, DataCall};
use crate::error::{Error, ErrorKind, Result};

mod index;
mod read;
mod write;

pub use index::{CreateIndex, CreateIndexes, DropCollection, DropIndexes, ListIndexNames, ListIndexes};
pub use read::{Count, Distinct, EstimatedCount, Explain, Find, FindOne};
pub use write::{
    BulkWrite, Delete, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate, InsertMany, InsertOne, Replace, Update,
};
pub(super) use write::{Insertion, Modification, Writes};

/// What all actions have.
pub(super) struct Core {
    collection: Result<Arc<str>>,
    comment: Option<Bson>,
    bypass_validation: bool,
    call: DataCall,
}

impl Core {
    /// Called where the user calls the operation. `identity` is what tells it apart from others of its name in a durable
    /// function's record: its options aren't in it.
    pub(super) fn new(
        name: &'static str,
        reads: bool,
        collection: Result<Arc<str>>,
        identity: impl FnOnce() -> Vec<u8>,
    ) -> Self {
        let within = collection.as_deref().unwrap_or_default().to_owned();
        let call = DataCall::new(name, reads, || {
            let mut bytes = within.into_bytes();
            bytes.push(0);
            bytes.extend(identity());
            bytes
        });
        Self { collection, comment: None, bypass_validation: false, call }
    }

    /// The operation behind the action. Once.
    pub(super) fn begin<T: Send + 'static>(
        &mut self,
        verb: Result<Verb>,
        read: impl FnOnce(Reply) -> Result<T> + Send + 'static,
    ) -> engine::Operation<Result<T>> {
        let operation = verb.and_then(|verb| {
            verb.check_nesting()?;
            self.comment.iter().try_for_each(nesting::check_value)?;
            let (collection, bypass_validation) = (self.collection.clone()?, self.bypass_validation);
            Ok(Operation { collection, verb, comment: self.comment.take(), bypass_validation })
        });
        self.call.run(operation, read)
    }
}

/// What tells apart operations on the documents that a filter means.
pub(super) fn identity(filter: &Document) -> Vec<u8> {
    // One that is nested too deep is refused when it is awaited.
    nesting::check_bound(filter).and_then(|()| Ok(filter.to_vec()?)).unwrap_or_default()
}

pub(super) fn unexpected(reply: &Reply) -> Error {
    let message = format!("a store answered with {}, another reply than it was asked for", reply.name());
    Error::of(ErrorKind::Damaged, message)
}

/// The error of an operation that was polled after its end.
pub(super) fn spent() -> Error {
    Error::of(ErrorKind::Misplaced, "an operation was awaited twice")
}

/// A public action: a struct around what is asked for, and the future of its answer.
///
/// `ask` becomes the verb, `read` makes the output of the reply.
macro_rules! action {
    (
        $(#[$doc:meta])*
        pub struct $name:ident $(<$type:ident $(: $bound:path)?>)? asks $ask:ty, gives $output:ty;
        verb($asked:ident) $verb:expr;
        read($reply:ident) $read:expr;
    ) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing until it is awaited"]
        pub struct $name $(<$type>)? {
            core: $crate::data::action::Core,
            ask: Option<$ask>,
            running: Option<$crate::engine::Operation<$crate::Result<$output>>>,
        }

        impl $(<$type>)? Unpin for $name $(<$type>)? {}

        impl $(<$type: Send + 'static $(+ $bound)?>)? $name $(<$type>)? {
            pub(in $crate::data) fn new(core: $crate::data::action::Core, ask: $ask) -> Self {
                Self { core, ask: Some(ask), running: None }
            }

            /// Words for the server's logs and profiler. The embedded store accepts them and has no use for them.
            pub fn comment(mut self, comment: impl Into<bson::Bson>) -> Self {
                self.core.comment = Some(comment.into());
                self
            }

            #[allow(dead_code, reason = "not every action writes documents")]
            fn bypass(mut self, bypass: bool) -> Self {
                self.core.bypass_validation = bypass;
                self
            }

            #[allow(dead_code, reason = "not every action has options")]
            fn with(mut self, change: impl FnOnce(&mut $ask)) -> Self {
                if let Some(ask) = &mut self.ask {
                    change(ask);
                }
                self
            }
        }

        impl $(<$type: Send + 'static $(+ $bound)?>)? std::future::Future for $name $(<$type>)? {
            type Output = $crate::Result<$output>;

            fn poll(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                let this = &mut *self;
                let running = match &mut this.running {
                    Some(running) => running,
                    None => {
                        let verb = match this.ask.take() {
                            Some($asked) => $verb,
                            None => Err($crate::data::action::spent()),
                        };
                        this.running.insert(this.core.begin(verb, |$reply| $read))
                    }
                };
                std::pin::Pin::new(running).poll(cx)
            }
        }
    };
}
pub(super) use action;
