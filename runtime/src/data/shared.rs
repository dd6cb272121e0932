//! `shared::<T>(name, key)`: a value under a key, shared by functions that keep no state of their own.
//!
//! Each is a document of the collection `name`: its key as `_id` (one of several parts in a document of its own), and the value in the field `value`; so triggers and
//! backups see it as they see any document.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use bson::{Bson, Document, RawDocumentBuf, doc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::action::{Core, unexpected};
use super::collection::{check_name, not_a_document};
use super::models::UpdateModifications;
use super::nesting;
use super::operation::{Change, Query, Reply, Target, Verb, Write};
use crate::engine::Operation;
use crate::error::{Error, ErrorKind, Result};

/// A value of type `T` under a key.
pub struct Shared<T> {
    name: Arc<str>,
    key: Result<Bson>,
    types: PhantomData<fn() -> T>,
}

/// The value of this key in the collection `name`; it need not exist.
///
/// ```no_run
/// use outlast::prelude::*;
///
/// #[derive(Debug, Clone, Default, Serialize, Deserialize)]
/// struct Cart { items: Vec<String> }
///
/// #[durable]
/// async fn add(user: String, item: String) -> Result<usize> {
///     let cart = outlast::shared::<Cart>("carts", &user);
///     let cart = cart.update(move |cart| cart.items.push(item.clone())).await?; // atomic
///     Ok(cart.items.len())
/// }
/// ```
pub fn shared<T>(name: impl AsRef<str>, key: &(impl Serialize + ?Sized)) -> Shared<T> {
    let key = nesting::value_of(key).map_err(|error| {
        Error::of(ErrorKind::Invalid, format!("the key of a shared value can't be stored: {error}")).into_terminal()
    });
    // An `_id` is no array: a key of several parts is one in a document.
    let key = key.map(|key| if let Bson::Array(parts) = key { doc! { "key": parts }.into() } else { key });
    Shared { name: name.as_ref().into(), key, types: PhantomData }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), key: self.key.clone(), types: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Shared<T> {
    fn core(&self, name: &'static str, reads: bool, identity: impl FnOnce() -> Vec<u8>) -> Core {
        let collection = check_name(&self.name).map(|()| self.name.clone());
        let key = self.key.clone();
        Core::new(name, reads, collection, || {
            let mut bytes = key.ok().and_then(|key| doc! { "_id": key }.to_vec().ok()).unwrap_or_default();
            bytes.extend(identity());
            bytes
        })
    }

    fn filter(&self) -> Result<Document> {
        Ok(doc! { "_id": { "$eq": self.key.clone()? } })
    }

    /// The value, if there is one.
    pub fn get(&self) -> Operation<Result<Option<T>>> {
        let mut core = self.core(".shared.get", true, Vec::new);
        let verb = self.filter().map(|filter| Verb::Find(Query { filter, limit: 1, ..Query::default() }));
        core.begin(verb, |reply| match reply {
            Reply::Documents(found) => found.first().map(value_of).transpose(),
            other => Err(unexpected(&other)),
        })
    }

    /// Sets the value, whatever was there.
    pub fn set(&self, value: &T) -> Operation<Result<()>> {
        let value = nesting::value_of(value);
        let identity = value.clone().ok().and_then(|value| doc! { "value": value }.to_vec().ok());
        let mut core = self.core(".shared.set", false, || identity.unwrap_or_default());
        let verb = self.filter().and_then(|filter| {
            let update = UpdateModifications::Document(doc! { "$set": { "value": value? } });
            let target = Target { filter, ..Target::default() };
            Ok(Verb::Write(Write::Update { target, update, array_filters: Vec::new(), many: false, upsert: true }))
        });
        core.begin(verb, |reply| match reply {
            Reply::Wrote(_) => Ok(()),
            other => Err(unexpected(&other)),
        })
    }

    /// Removes the value: whether there was one.
    pub fn delete(&self) -> Operation<Result<bool>> {
        let mut core = self.core(".shared.delete", false, Vec::new);
        let verb = self
            .filter()
            .map(|filter| Verb::Write(Write::Delete { target: Target { filter, ..Target::default() }, many: false }));
        core.begin(verb, |reply| match reply {
            Reply::Wrote(done) => Ok(done.deleted > 0),
            other => Err(unexpected(&other)),
        })
    }

    /// Changes the value, `T::default()` if there is none, and gives the new one. Atomic: nobody changes it in between.
    ///
    /// The closure may be called more than once, each time with what stands there then, and mustn't wait.
    pub fn update(&self, change: impl FnMut(&mut T) + Send + 'static) -> Operation<Result<T>>
    where
        T: Default,
    {
        let mut core = self.core(".shared.update", false, Vec::new);
        let verb = self.key.clone().map(|id| {
            let change = changed(id.clone(), change);
            Verb::Modify { id, change }
        });
        core.begin(verb, |reply| match reply {
            Reply::Document(Some(document)) => value_of(&document),
            other => Err(unexpected(&other)),
        })
    }
}

/// What a user's closure makes of a document.
fn changed<T>(id: Bson, change: impl FnMut(&mut T) + Send + 'static) -> Change
where
    T: Serialize + DeserializeOwned + Default + Send + 'static,
{
    let change = Mutex::new(change);
    Change(Arc::new(move |before: Option<RawDocumentBuf>| {
        let mut value = before.as_ref().map(value_of).transpose()?.unwrap_or_default();
        let words = crate::panics::caught(|| {
            let mut change = change.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut value);
        });
        if let Err(words) = words {
            return Err(Error::of(ErrorKind::Panicked, format!("the closure of an update panicked: {words}")));
        }
        // What else stands in the document stays.
        let there = before.as_ref().map(Document::try_from).transpose().map_err(not_a_document)?;
        let mut document = there.unwrap_or_else(|| doc! { "_id": id.clone() });
        document.insert("value", nesting::value_of(&value)?);
        RawDocumentBuf::try_from(&document).map(Some).map_err(not_a_document)
    }))
}

fn value_of<T: DeserializeOwned + Send>(document: &RawDocumentBuf) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Stored<T> {
        value: T,
    }
    let stored: Stored<T> = nesting::read(document).map_err(|error| {
        Error::of(ErrorKind::NotRecordable, format!("a shared value doesn't fit its type: {error}")).into_terminal()
    })?;
    Ok(stored.value)
}
