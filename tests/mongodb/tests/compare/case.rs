//! A case, what it gives on each store, and whether that is the same.
//!
//! A case is a document itself, so that it can be shrunk like any: `documents`, and an `operation` with its arguments.

use std::fmt;

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use outlast::{App, Collection, Error, ReturnDocument, Running, UpdateModifications, collection};

/// Documents, and what is done with them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case(pub(crate) Document);

/// What an operation gave: an answer and the documents afterwards, or the error's code and words.
#[derive(Debug, Clone)]
pub(crate) enum Came {
    Answer { answer: Bson, after: Bson },
    Failed { code: Option<i32>, words: String },
}

/// What came of both.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) embedded: Came,
    pub(crate) mongo: Came,
}

impl Came {
    fn of(came: Result<(Bson, Bson), Error>) -> Self {
        match came {
            Ok((answer, after)) => Self::Answer { answer: normal(answer), after: normal(after) },
            Err(error) => Self::Failed { code: error.code(), words: format!("{error:?}") },
        }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Answer { .. } => None,
            Self::Failed { code, .. } => *code,
        }
    }

    /// The words of an error.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Answer { .. } => "",
            Self::Failed { words, .. } => words,
        }
    }
}

/// By bytes: so 1 isn't 1.0, and NaN is NaN.
pub(crate) fn same(left: &Bson, right: &Bson) -> bool {
    doc! { "": left }.to_vec().unwrap() == doc! { "": right }.to_vec().unwrap()
}

impl Both {
    pub(crate) fn is_same(&self) -> bool {
        match (&self.embedded, &self.mongo) {
            (Came::Answer { answer, after }, Came::Answer { answer: other, after: other_after }) => {
                same(answer, other) && same(after, other_after)
            }
            (Came::Failed { code, .. }, Came::Failed { code: other, .. }) => code == other,
            _ => false,
        }
    }

    /// In a word.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.embedded, &self.mongo) {
            (Came::Answer { .. }, Came::Answer { .. }) => "answered",
            (Came::Failed { .. }, Came::Failed { .. }) => "refused",
            (Came::Failed { .. }, Came::Answer { .. }) => "refused by the embedded store alone",
            (Came::Answer { .. }, Came::Failed { .. }) => "refused by MongoDB alone",
        }
    }

    /// Whether this differs in the same way: shrinking must not come to another error.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let way = |came: &Came| {
            let words = came.words().split_whitespace().filter(|word| word.chars().all(char::is_alphabetic));
            (came.code(), words.take(8).map(str::to_owned).collect::<Vec<_>>())
        };
        self.kind() == other.kind()
            && way(&self.embedded) == way(&other.embedded)
            && self.mongo.code() == other.mongo.code()
    }
}

/// With the types of numbers.
fn exact(value: &Bson) -> String {
    match value {
        Bson::Document(inner) => {
            let fields = inner.iter().map(|(name, value)| format!("{name:?}: {}", exact(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Bson::Array(elements) => format!("[{}]", elements.iter().map(exact).collect::<Vec<_>>().join(", ")),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => format!("{number}_i64"),
        Bson::Double(number) => format!("{number:?}_f64"),
        Bson::Decimal128(number) => format!("{number}_decimal"),
        other => other.to_string(),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", exact(&Bson::Document(self.0.clone())))
    }
}

impl fmt::Display for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, came) in [("embedded", &self.embedded), ("mongo   ", &self.mongo)] {
            match came {
                Came::Answer { answer, after } => {
                    writeln!(f, "  {name}: {} and then {}", exact(answer), exact(after))?;
                }
                Came::Failed { code, words } => writeln!(f, "  {name}: error {code:?}: {words}")?,
            }
        }
        Ok(())
    }
}

/// What is new with each run is made the same: ids that a store has made, and the present.
fn normal(value: Bson) -> Bson {
    match value {
        Bson::ObjectId(id) if id.bytes()[0] != 0 => Bson::ObjectId(ObjectId::from_bytes([0xFF; 12])),
        Bson::DateTime(date) if is_present(date.timestamp_millis() / 1000) => "the present".into(),
        Bson::Timestamp(stamp) if is_present(i64::from(stamp.time)) => "the present".into(),
        Bson::Document(inner) => {
            inner.into_iter().map(|(name, value)| (name, normal(value))).collect::<Document>().into()
        }
        Bson::Array(elements) => elements.into_iter().map(normal).collect::<Vec<_>>().into(),
        other => other,
    }
}

/// Between 2020 and 2100: generated dates are not.
fn is_present(seconds: i64) -> bool {
    (1_577_000_000..4_102_000_000).contains(&seconds)
}

/// Both stores.
pub(crate) struct Stores {
    embedded: Running,
    mongo: Running,
}

impl Stores {
    pub(crate) async fn open(embedded: &str, mongo: &str) -> Self {
        let open = |store: &str| App::new().store(store).start();
        Self { embedded: open(embedded).await.unwrap(), mongo: open(mongo).await.unwrap() }
    }

    pub(crate) async fn close(self) {
        self.embedded.shutdown().await;
        self.mongo.shutdown().await;
    }

    pub(crate) async fn both(&self, case: &Case) -> Both {
        let on = |app: &Running| app.scope(case.clone().run());
        let (embedded, mongo) = tokio::join!(on(&self.embedded), on(&self.mongo));
        Both { embedded: Came::of(embedded), mongo: Came::of(mongo) }
    }
}

impl Case {
    /// The operation's name.
    pub(crate) fn name(&self) -> &str {
        self.operation().get_str("name").unwrap_or_default()
    }

    pub(crate) fn operation(&self) -> &Document {
        static NONE: std::sync::LazyLock<Document> = std::sync::LazyLock::new(Document::new);
        self.0.get_document("operation").unwrap_or(&NONE)
    }

    fn document(&self, name: &str) -> Document {
        self.operation().get_document(name).cloned().unwrap_or_default()
    }

    fn optional(&self, name: &str) -> Option<Document> {
        self.operation().get_document(name).ok().cloned()
    }

    fn truth(&self, name: &str) -> bool {
        self.operation().get_bool(name).unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        i64::from(self.operation().get_i32(name).unwrap_or_default())
    }

    fn documents(&self, name: &str) -> Vec<Document> {
        self.operation().get_array(name).into_iter().flatten().filter_map(Bson::as_document).cloned().collect()
    }

    fn update(&self) -> UpdateModifications {
        match self.operation().get("update") {
            Some(Bson::Array(_)) => self.documents("update").into(),
            _ => self.document("update").into(),
        }
    }

    /// Runs it on the store of the app whose scope this is.
    async fn run(self) -> Result<(Bson, Bson), Error> {
        let all = collection::<Document>("compared");
        all.delete_many(doc! {}).await?;
        let documents = self.0.get_array("documents").into_iter().flatten().filter_map(Bson::as_document);
        let documents: Vec<&Document> = documents.collect();
        if !documents.is_empty() {
            all.insert_many(documents).await?;
        }
        let answer = match self.name() {
            "find" | "countDocuments" | "distinct" => return Ok((self.read(&all).await?, Bson::Null)),
            "findOneAndUpdate" | "findOneAndReplace" | "findOneAndDelete" => self.modify(&all).await?,
            _ => self.write(&all).await?,
        };
        let after = all.find(doc! {}).sort(doc! { "_id": 1 }).await?.to_vec().await?;
        Ok((answer, after.into()))
    }

    async fn read(&self, all: &Collection<Document>) -> Result<Bson, Error> {
        let filter = self.document("filter");
        Ok(match self.name() {
            "countDocuments" => Bson::Int64(all.count_documents(filter).await? as i64),
            "distinct" => {
                let values = all.distinct(self.operation().get_str("field").unwrap_or_default(), filter).await?;
                // Their order is nobody's promise, nor which of equal numbers stands for all.
                let mut shown: Vec<String> = values.iter().map(|value| format!("{value}")).collect();
                shown.sort();
                shown.into()
            }
            _ => {
                let mut find = all.find(filter).skip(self.number("skip").unsigned_abs()).limit(self.number("limit"));
                // A whole order, for there is none among equals.
                let mut sort = self.document("sort");
                sort.insert("_id", 1);
                find = find.sort(sort);
                if let Some(projection) = self.optional("projection") {
                    find = find.projection(projection);
                }
                find.await?.to_vec().await?.into()
            }
        })
    }

    async fn modify(&self, all: &Collection<Document>) -> Result<Bson, Error> {
        let filter = self.document("filter");
        let returned = if self.truth("after") { ReturnDocument::After } else { ReturnDocument::Before };
        let mut sort = self.document("sort");
        sort.insert("_id", 1);
        let projection = self.document("projection");
        let found = match self.name() {
            "findOneAndUpdate" => {
                let action = all.find_one_and_update(filter, self.update()).sort(sort).projection(projection);
                let action = action.return_document(returned).upsert(self.truth("upsert"));
                action.array_filters(self.documents("arrayFilters")).await?
            }
            "findOneAndReplace" => {
                let action = all.find_one_and_replace(filter, self.document("replacement")).sort(sort);
                action.projection(projection).return_document(returned).upsert(self.truth("upsert")).await?
            }
            _ => all.find_one_and_delete(filter).sort(sort).projection(projection).await?,
        };
        Ok(found.map_or(Bson::Null, Bson::Document))
    }

    async fn write(&self, all: &Collection<Document>) -> Result<Bson, Error> {
        let filter = self.document("filter");
        let done = match self.name() {
            "updateOne" | "updateMany" => {
                let many = self.name() == "updateMany";
                let update = self.update();
                let action = if many { all.update_many(filter, update) } else { all.update_one(filter, update) };
                action.upsert(self.truth("upsert")).array_filters(self.documents("arrayFilters")).await?
            }
            "replaceOne" => all.replace_one(filter, self.document("replacement")).upsert(self.truth("upsert")).await?,
            "deleteOne" => return Ok(Bson::Int64(all.delete_one(filter).await?.deleted_count as i64)),
            "deleteMany" => return Ok(Bson::Int64(all.delete_many(filter).await?.deleted_count as i64)),
            other => panic!("there is no operation {other:?}"),
        };
        let (matched, modified) = (done.matched_count as i64, done.modified_count as i64);
        Ok(doc! { "matched": matched, "modified": modified, "upserted": done.upserted_id }.into())
    }
}
