//! Operators on arrays, and positional operators.

use bson::{Bson, Document, bson, doc};
use proptest::prelude::*;

use super::super::*;
use super::{how, refusals, table};

#[test]
fn push_takes_in_then_sorts_then_cuts() {
    table(vec![
        (doc! { "a": [1] }, doc! { "$push": { "a": 2, "b": [3] } }, doc! { "a": [1, 2], "b": [[3]] }),
        (doc! { "a": [1] }, doc! { "$push": { "a": { "$each": [2, 3] } } }, doc! { "a": [1, 2, 3] }),
        (doc! { "a": [1] }, doc! { "$push": { "a": { "$each": [], "$slice": 0 } } }, doc! { "a": [] }),
        (doc! { "a": [1, 2] }, doc! { "$push": { "a": { "$each": [9], "$position": 0 } } }, doc! { "a": [9, 1, 2] }),
        (
            doc! { "a": [1, 2] },
            doc! { "$push": { "a": { "$each": [8, 9], "$position": -1 } } },
            doc! { "a": [1, 8, 9, 2] },
        ),
        (doc! { "a": [1, 2] }, doc! { "$push": { "a": { "$each": [9], "$position": 99 } } }, doc! { "a": [1, 2, 9] }),
        (
            doc! { "a": [1, 2] },
            doc! { "$push": { "a": { "$each": [9], "$position": i64::MIN } } },
            doc! { "a": [9, 1, 2] },
        ),
        (
            doc! { "a": [5, 1] },
            doc! { "$push": { "a": { "$each": [3], "$slice": 2, "$sort": 1 } } },
            doc! { "a": [1, 3] },
        ),
        (
            doc! { "a": [5, 1] },
            doc! { "$push": { "a": { "$each": [3], "$slice": -2, "$sort": -1, "$position": 0 } } },
            doc! { "a": [3, 1] },
        ),
        (
            doc! { "a": [1, 2] },
            doc! { "$push": { "a": { "$each": [3], "$slice": i64::MIN } } },
            doc! { "a": [1, 2, 3] },
        ),
        (
            doc! { "a": [{ "q": 2, "s": 1 }, { "q": 1, "s": 2 }] },
            doc! { "$push": { "a": { "$each": [{ "q": 1, "s": 9 }], "$sort": { "q": 1, "s": -1 } } } },
            doc! { "a": [{ "q": 1, "s": 9 }, { "q": 1, "s": 2 }, { "q": 2, "s": 1 }] },
        ),
        (doc! {}, doc! { "$push": { "a": { "b": 1 } } }, doc! { "a": [{ "b": 1 }] }),
    ]);
    refusals(vec![
        (doc! { "a": 1 }, doc! { "$push": { "a": 1 } }, 2),
        (doc! { "a": null }, doc! { "$push": { "a": 1 } }, 2),
    ]);
}

#[test]
fn add_to_set_adds_what_is_not_there() {
    table(vec![
        (doc! { "a": [1, "x"] }, doc! { "$addToSet": { "a": 1.0 } }, doc! { "a": [1, "x"] }),
        (doc! { "a": [1] }, doc! { "$addToSet": { "a": { "$each": [2, 1, 2] } } }, doc! { "a": [1, 2] }),
        (doc! { "a": [1] }, doc! { "$addToSet": { "a": [1] } }, doc! { "a": [1, [1]] }),
        (
            doc! { "a": [{ "x": 1, "y": 2 }] },
            doc! { "$addToSet": { "a": { "y": 2, "x": 1 } } },
            doc! { "a": [{ "x": 1, "y": 2 }, { "y": 2, "x": 1 }] },
        ),
        (doc! {}, doc! { "$addToSet": { "a": { "$each": [1, 1] } } }, doc! { "a": [1] }),
        (
            doc! { "a": [] },
            doc! { "$addToSet": { "a": { "x": 1, "$each": [1] } } },
            doc! { "a": [{ "x": 1, "$each": [1] }] },
        ),
    ]);
    refusals(vec![(doc! { "a": 1 }, doc! { "$addToSet": { "a": 1 } }, 2)]);
}

#[test]
fn pull_takes_out_values_or_what_a_condition_means() {
    let regex =
        Bson::RegularExpression(bson::Regex { pattern: "^x".try_into().unwrap(), options: "".try_into().unwrap() });
    table(vec![
        (doc! { "a": [1, 2, 1.0, [1]] }, doc! { "$pull": { "a": 1 } }, doc! { "a": [2, [1]] }),
        (doc! { "a": [[1, 2], 1] }, doc! { "$pull": { "a": [1, 2] } }, doc! { "a": [1] }),
        (doc! { "a": [1, 5, "9", 9] }, doc! { "$pull": { "a": { "$gte": 5 } } }, doc! { "a": [1, "9"] }),
        (doc! { "a": [[6], 1] }, doc! { "$pull": { "a": { "$gt": 5 } } }, doc! { "a": [1] }),
        (doc! { "a": [1, null, 2] }, doc! { "$pull": { "a": { "$in": [1, null] } } }, doc! { "a": [2] }),
        (doc! { "a": ["x1", "y", 1] }, doc! { "$pull": { "a": regex } }, doc! { "a": ["y", 1] }),
        (
            doc! { "a": [{ "b": 1, "c": 2 }, { "b": 2 }, 1] },
            doc! { "$pull": { "a": { "b": 1 } } },
            doc! { "a": [{ "b": 2 }, 1] },
        ),
        (
            doc! { "a": [{ "b": [1, 9] }, { "b": [1] }] },
            doc! { "$pull": { "a": { "b": { "$gt": 5 } } } },
            doc! { "a": [{ "b": [1] }] },
        ),
        (
            doc! { "a": [{ "b": 1 }, { "c": 1 }, { "d": 1 }] },
            doc! { "$pull": { "a": { "$or": [{ "b": 1 }, { "c": 1 }] } } },
            doc! { "a": [{ "d": 1 }] },
        ),
        (doc! { "a": [{ "b": 1 }, [], 1] }, doc! { "$pull": { "a": {} } }, doc! { "a": [[], 1] }),
        (
            doc! { "a": [{ "b": 1 }, 1] },
            doc! { "$pull": { "a": { "b": { "$exists": false } } } },
            doc! { "a": [{ "b": 1 }, 1] },
        ),
        (doc! { "a": [1, 2, 3, 1] }, doc! { "$pullAll": { "a": [1, 3.0] } }, doc! { "a": [2] }),
        (doc! { "b": 1 }, doc! { "$pull": { "a": 1, "x.y": 2 } }, doc! { "b": 1 }),
        (
            doc! { "a": [{ "b": [1, 2] }, { "b": [2] }] },
            doc! { "$pull": { "a.$[].b": 2 } },
            doc! { "a": [{ "b": [1] }, { "b": [] }] },
        ),
    ]);
    refusals(vec![
        (doc! { "a": 1 }, doc! { "$pull": { "a": 1 } }, 2),
        (doc! { "a": 1 }, doc! { "$pullAll": { "a": [1] } }, 2),
        (doc! { "a": 1 }, doc! { "$pull": { "a.b": 1 } }, 28),
    ]);
}

#[test]
fn pop_takes_the_first_or_the_last() {
    table(vec![(
        doc! { "a": [1, 2, 3], "b": [1, 2], "c": [] },
        doc! { "$pop": { "a": 1, "b": -1, "c": 1, "d": 1 } },
        doc! { "a": [1, 2], "b": [2], "c": [] },
    )]);
    refusals(vec![
        (doc! { "a": 1 }, doc! { "$pop": { "a": 1 } }, 14),
        (doc! { "a": 1 }, doc! { "$pop": { "a.b": 1 } }, 28),
    ]);
}

fn at(array_index: Option<usize>, before: Document, update: Document, filters: &[Document]) -> Result<Document> {
    let mut document = before;
    Update::parse(&update, filters)?.apply(&mut document, &Application { array_index, ..how() })?;
    Ok(document)
}

#[test]
fn the_positional_operator_means_the_element_that_matched() {
    let set = |path: &str| doc! { "$set": { path: 9 } };
    assert_eq!(at(Some(1), doc! { "a": [1, 2] }, set("a.$"), &[]).unwrap(), doc! { "a": [1, 9] });
    assert_eq!(at(Some(0), doc! { "a": [{ "b": 1 }] }, set("a.$.b"), &[]).unwrap(), doc! { "a": [{ "b": 9 }] });
    assert_eq!(at(Some(1), doc! {}, set("a.$"), &[]).unwrap(), doc! { "a": { "1": 9 } }, "it stands for a name");
    assert_eq!(at(None, doc! { "a": [1] }, set("a.$"), &[]).unwrap_err().code(), Some(2));
    assert_eq!(at(Some(0), doc! { "a": 5 }, set("a.$"), &[]).unwrap_err().code(), Some(28));
    let both = doc! { "$set": { "a.$": 9, "a.0": 8 } };
    assert_eq!(at(Some(0), doc! { "a": [1, 2] }, both.clone(), &[]).unwrap_err().code(), Some(40));
    assert_eq!(at(Some(1), doc! { "a": [1, 2] }, both, &[]).unwrap(), doc! { "a": [8, 9] });
    assert_eq!(
        at(Some(1), doc! { "a": [1, 2] }, doc! { "$unset": { "a.$": 1 } }, &[]).unwrap(),
        doc! { "a": [1, null] }
    );
}

#[test]
fn each_element_or_those_that_a_filter_means() {
    let documents = || doc! { "a": [{ "b": 1, "c": [1, 5] }, { "b": 2, "c": [7] }] };
    assert_eq!(
        at(None, documents(), doc! { "$inc": { "a.$[].b": 10, "a.$[].c.$[]": 1 } }, &[]).unwrap(),
        doc! { "a": [{ "b": 11, "c": [2, 6] }, { "b": 12, "c": [8] }] }
    );
    let big = [doc! { "x.b": { "$gt": 1 } }, doc! { "y": { "$gte": 5 } }];
    assert_eq!(
        at(None, documents(), doc! { "$set": { "a.$[x].b": 0, "a.$[x].c.$[y]": 0 } }, &big).unwrap(),
        doc! { "a": [{ "b": 1, "c": [1, 5] }, { "b": 0, "c": [0] }] }
    );
    let either = [doc! { "$or": [{ "x": 1 }, { "x": 3 }] }];
    assert_eq!(
        at(None, doc! { "a": [1, 2, 3] }, doc! { "$set": { "a.$[x]": 0 } }, &either).unwrap(),
        doc! { "a": [0, 2, 0] }
    );
    let two = [doc! { "x": { "$gt": 1 } }, doc! { "y": { "$lt": 3 } }];
    let apart = [doc! { "x": { "$gt": 2 } }, doc! { "y": { "$lt": 2 } }];
    let set = doc! { "$set": { "a.$[x]": 0, "a.$[y]": 9 } };
    assert_eq!(at(None, doc! { "a": [1, 2, 3] }, set.clone(), &two).unwrap_err().code(), Some(40), "2 is meant twice");
    assert_eq!(at(None, doc! { "a": [1, 2, 3] }, set, &apart).unwrap(), doc! { "a": [9, 2, 0] });
    for (document, update) in [
        (doc! {}, doc! { "$set": { "a.$[]": 1 } }),
        (doc! { "a": 1 }, doc! { "$set": { "b": 1, "a.$[]": 1 } }),
        (doc! { "a": {} }, doc! { "$set": { "a.$[]": 1 } }),
    ] {
        assert_eq!(
            at(None, document.clone(), update.clone(), &[]).unwrap_err().code(),
            Some(2),
            "{update} of {document}"
        );
    }
    for (filters, code) in [
        (vec![doc! { "x": 1 }, doc! { "x": 2 }], 9),
        (vec![doc! { "x": 1 }, doc! { "z": 2 }], 9),
        (vec![doc! { "x": 1, "y": 2 }], 9),
        (vec![doc! {}], 9),
        (vec![doc! { "y": 1 }], 9),
        (vec![], 2),
    ] {
        let error = Update::parse(&doc! { "$set": { "a.$[x]": 1 } }, &filters).unwrap_err();
        assert_eq!(error.code(), Some(code), "{filters:?}: {error}");
    }
    let error = Update::parse(&doc! { "$set": { "a.$[X]": 1 } }, &[doc! { "X": 1 }]).unwrap_err();
    assert_eq!(error.code(), Some(2), "a small letter first");
}

fn update() -> impl Strategy<Value = Document> {
    use crate::data::filter::tests::value;
    let operator = prop_oneof![
        Just("$set"),
        Just("$unset"),
        Just("$inc"),
        Just("$mul"),
        Just("$min"),
        Just("$max"),
        Just("$push"),
        Just("$addToSet"),
        Just("$pull"),
        Just("$pop"),
        Just("$setOnInsert"),
    ];
    let path = prop_oneof![
        Just("a"),
        Just("b"),
        Just("a.b"),
        Just("a.0"),
        Just("a.$[]"),
        Just("b.$[].a"),
        Just("a.$"),
        Just("c.2")
    ];
    let one = (operator, path, prop_oneof![Just(bson!(1)), value()])
        .prop_map(|(operator, path, value)| doc! { operator: { path: value } });
    prop::collection::vec(one, 1..4).prop_map(|all| all.into_iter().flatten().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_update_leaves_a_document_that_is_one(update in update(), document in crate::data::filter::tests::document()) {
        if let Ok(parsed) = Update::parse(&update, &[]) {
            let mut changed = document.clone();
            if parsed.apply(&mut changed, &Application { array_index: Some(0), ..how() }).is_ok() {
                let bytes = changed.to_vec().unwrap();
                let read = Document::from_reader(bytes.as_slice()).unwrap();
                prop_assert_eq!(read.to_vec().unwrap(), bytes);
                // Twice the same is the same, for what sets.
                if update.keys().all(|name| matches!(name.as_str(), "$set" | "$unset" | "$min" | "$max" | "$addToSet" | "$pull")) {
                    let mut again = changed.clone();
                    if parsed.apply(&mut again, &Application { array_index: Some(0), ..how() }).is_ok() {
                        prop_assert_eq!(again.to_vec().unwrap(), changed.to_vec().unwrap(), "{}", update);
                    }
                }
            }
        }
    }
}

/// Where `$[]` needs an array, one must be there, whatever else stands on the way.
#[test]
fn an_array_that_cannot_be_there_is_missed_as_one() {
    table(vec![(doc! { "b": 1 }, doc! { "$unset": { "b.c": "" } }, doc! { "b": 1 })]);
    refusals(vec![
        (doc! { "b": [1] }, doc! { "$inc": { "b.$[].c": 1 } }, 28),
        (doc! { "b": 1 }, doc! { "$push": { "b.c.$[]": 1 } }, 2),
        (doc! { "b": [1] }, doc! { "$push": { "b.c.$[]": 1 } }, 2),
        (doc! { "b": 1 }, doc! { "$unset": { "b.c.$[].d": "" } }, 2),
    ]);
}
