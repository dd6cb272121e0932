//! From a case that differs to the least that differs in the same way.

use bson::{Bson, Document};

use super::case::{Both, Case, Stores};

/// So many tries at most.
const TRIES: usize = 400;

/// The least case that still differs, and what came of it.
pub(crate) async fn least(stores: &Stores, mut case: Case, mut both: Both) -> (Case, Both) {
    let mut tries = 0;
    'smaller: loop {
        for smaller in of_document(&case.0) {
            let smaller = Case(smaller);
            if !is_whole(&smaller) {
                continue;
            }
            tries += 1;
            if tries > TRIES {
                return (case, both);
            }
            let now = stores.both(&smaller).await;
            if !now.is_same() && now.is_like(&both) {
                (case, both) = (smaller, now);
                continue 'smaller;
            }
        }
        return (case, both);
    }
}

/// Whether it can be run: there are documents, each with its own `_id`, and the operation has what it needs.
fn is_whole(case: &Case) -> bool {
    let documents: Vec<_> = case.0.get_array("documents").into_iter().flatten().filter_map(Bson::as_document).collect();
    let ids = documents.iter().map(|document| document.get_i32("_id").ok());
    let ids: std::collections::BTreeSet<_> = ids.collect();
    let named = |name: &str| case.operation().contains_key(name);
    !documents.is_empty()
        && ids.len() == documents.len()
        && !ids.contains(&None)
        && match case.name() {
            "find" | "countDocuments" | "deleteOne" | "deleteMany" | "findOneAndDelete" => true,
            "distinct" => named("field"),
            "updateOne" | "updateMany" | "findOneAndUpdate" => named("update"),
            "replaceOne" | "findOneAndReplace" => named("replacement"),
            _ => false,
        }
}

fn of_document(document: &Document) -> Vec<Document> {
    let mut all = Vec::new();
    for name in document.keys() {
        let mut without = document.clone();
        without.remove(name);
        all.push(without);
    }
    for (name, value) in document {
        for smaller in of_value(value) {
            let mut with = document.clone();
            with.insert(name.clone(), smaller);
            all.push(with);
        }
    }
    all
}

fn of_value(value: &Bson) -> Vec<Bson> {
    let mut all = Vec::new();
    match value {
        Bson::Document(inner) => {
            all.extend(inner.values().filter(|value| matches!(value, Bson::Document(_) | Bson::Array(_))).cloned());
            all.extend(of_document(inner).into_iter().map(Bson::Document));
        }
        Bson::Array(elements) => {
            all.extend(elements.iter().filter(|value| matches!(value, Bson::Document(_) | Bson::Array(_))).cloned());
            for place in 0..elements.len() {
                let mut without = elements.clone();
                without.remove(place);
                all.push(without.into());
            }
            for (place, element) in elements.iter().enumerate() {
                for smaller in of_value(element) {
                    let mut with = elements.clone();
                    with[place] = smaller;
                    all.push(with.into());
                }
            }
        }
        Bson::Int32(1) | Bson::Boolean(_) | Bson::Null => (),
        Bson::String(text) => {
            // A shorter path; never another word.
            if let Some((first, _)) = text.rsplit_once('.') {
                all.push(first.into());
            }
        }
        _ => all.push(Bson::Int32(1)),
    }
    all
}
