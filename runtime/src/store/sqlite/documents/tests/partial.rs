//! A partial index is used where every match is sure to be in it, and nowhere else.

use bson::bson;

use super::*;

/// Whether documents are looked for in an index of what `partial` says; what is found is what a scan finds.
fn is_used(partial: &Document, filter: &Document) -> bool {
    let file = File::new();
    let values = [
        bson!(4),
        bson!(5),
        bson!(6),
        bson!(7),
        bson!(5.5),
        bson!("6"),
        bson!([1, 9]),
        bson!([4, 5]),
        bson!([]),
        bson!({ "b": 6 }),
        Bson::Null,
        bson!(f64::NAN),
        bson!(f64::INFINITY),
        bson!(true),
    ];
    let mut documents: Vec<_> = values.into_iter().map(|value| doc! { "a": 1, "x": value }).collect();
    documents.extend([doc! { "a": 1 }, doc! { "a": 1, "y": 6 }]);
    for (id, document) in documents.iter_mut().enumerate() {
        document.insert("_id", id as i32);
    }
    file.insert("c", &documents).unwrap();
    let query = || Query { filter: filter.clone(), sort: Some(doc! { "_id": 1 }), ..Query::default() };
    // By their words: NaN isn't equal to itself.
    let found = || format!("{:?}", file.find("c", query()).unwrap());
    let scanned = found();
    let options = IndexOptions { partial_filter_expression: Some(partial.clone()), ..IndexOptions::default() };
    file.index("c", doc! { "a": 1 }, options).unwrap();
    assert_eq!(found(), scanned, "{filter} by an index of {partial}");
    file.explain("c", query()).get_str("stage").unwrap() == "index"
}

#[test]
fn an_index_of_what_is_more_serves_what_asks_for_more() {
    let partial = doc! { "x": { "$gt": 5 } };
    for filter in [
        doc! { "a": 1, "x": { "$gt": 5 } },
        doc! { "a": 1, "x": 6 },
        doc! { "a": 1, "x": { "$gte": 5.5 } },
        doc! { "a": 1, "x": { "$gt": 5, "$lt": 7 } },
        doc! { "a": 1, "x": { "$in": [6, 7] } },
        doc! { "$and": [{ "a": 1 }, { "x": { "$gt": 6 } }] },
        doc! { "a": 1, "$or": [{ "x": 6 }, { "x": { "$gt": 6 } }] },
        doc! { "a": 1, "x": { "$elemMatch": { "$gt": 5 } } },
    ] {
        assert!(is_used(&partial, &filter), "{filter}");
    }
    // Near by.
    for filter in [
        doc! { "a": 1 },
        doc! { "a": 1, "x": { "$gte": 5 } },
        doc! { "a": 1, "x": 5 },
        doc! { "a": 1, "x": { "$gt": 4 } },
        doc! { "a": 1, "x": { "$lt": 7 } },
        doc! { "a": 1, "x": { "$in": [5, 6] } },
        doc! { "a": 1, "x": { "$in": [6, "6"] } },
        doc! { "a": 1, "x": { "$in": [6, null] } },
        doc! { "a": 1, "x": { "$nin": [5] } },
        doc! { "a": 1, "x": { "$ne": 5 } },
        doc! { "a": 1, "x": { "$not": { "$lte": 5 } } },
        doc! { "a": 1, "x": "6" },
        doc! { "a": 1, "x": [1, 9] },
        doc! { "a": 1, "x": null },
        doc! { "a": 1, "x": f64::NAN },
        doc! { "a": 1, "x": { "$exists": true } },
        doc! { "a": 1, "x": { "$type": "number" } },
        doc! { "a": 1, "x.b": 6 },
        doc! { "a": 1, "y": 6 },
        doc! { "a": 1, "$or": [{ "x": 6 }, { "y": 6 }] },
        doc! { "a": 1, "$nor": [{ "x": { "$lte": 5 } }] },
        doc! { "a": 1, "$expr": { "$gt": ["$x", 5] } },
    ] {
        assert!(!is_used(&partial, &filter), "{filter}");
    }
}

#[test]
fn an_index_of_what_is_there_serves_what_asks_for_a_value() {
    let partial = doc! { "x": { "$exists": true } };
    for filter in
        [doc! { "x": 6 }, doc! { "x": { "$exists": true } }, doc! { "x": { "$type": "string" } }, doc! { "x": [] }]
    {
        assert!(is_used(&partial, &doc! { "a": 1, "$and": [filter.clone()] }), "{filter}");
    }
    for filter in [
        doc! { "x": null },
        doc! { "x": { "$exists": false } },
        doc! { "x": { "$ne": 6 } },
        doc! { "x": { "$in": [6, null] } },
        doc! { "x": { "$gte": null } },
        doc! { "$or": [{ "x": 6 }, { "a": 1 }] },
    ] {
        assert!(!is_used(&partial, &doc! { "a": 1, "$and": [filter.clone()] }), "{filter}");
    }
}

#[test]
fn of_two_conditions_both_must_be_sure() {
    let partial = doc! { "x": { "$gt": 5 }, "y": 6 };
    assert!(is_used(&partial, &doc! { "a": 1, "x": 6, "y": 6 }));
    assert!(!is_used(&partial, &doc! { "a": 1, "x": 6 }));
    assert!(!is_used(&partial, &doc! { "a": 1, "y": 6 }));
    // NaN stands below all numbers, and is less than none.
    assert!(!is_used(&doc! { "x": { "$lt": 7 } }, &doc! { "a": 1, "x": f64::NAN }));
    // A document as a whole says nothing of its field.
    assert!(!is_used(&doc! { "x.b": 6 }, &doc! { "a": 1, "x": { "b": 6 } }));
}
