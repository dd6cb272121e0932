//! Updates against MongoDB's manual, operator by operator.

use bson::{Bson, DateTime, Document, Timestamp, bson, doc};

use super::*;

mod arrays;
mod pipelines;

fn how() -> Application {
    Application {
        array_index: None,
        now: DateTime::from_millis(7),
        timestamp: Timestamp { time: 7, increment: 1 },
        inserting: false,
    }
}

fn apply(mut document: Document, update: Document) -> Result<Document> {
    Update::parse(&update, &[])?.apply(&mut document, &how())?;
    Ok(document)
}

#[track_caller]
fn table(rows: Vec<(Document, Document, Document)>) {
    for (before, update, after) in rows {
        let changed =
            apply(before.clone(), update.clone()).unwrap_or_else(|error| panic!("{before} {update}: {error}"));
        assert_eq!(changed, after, "{update} of {before}");
        let keys = |document: &Document| document.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&changed), keys(&after), "{update} of {before}");
    }
}

#[track_caller]
fn refusals(rows: Vec<(Document, Document, i32)>) {
    for (before, update, code) in rows {
        let error = apply(before.clone(), update.clone()).expect_err(&format!("{update} of {before} should fail"));
        assert_eq!(error.code(), Some(code), "{update} of {before}: {error}");
        assert!(error.is_terminal());
    }
}

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse().unwrap())
}

#[test]
fn set_keeps_places_and_adds_in_order_of_names_numbers_first() {
    table(vec![
        (
            doc! { "b": 1, "a": 2 },
            doc! { "$set": { "z": 9, "b": "x", "c": 3 } },
            doc! { "b": "x", "a": 2, "c": 3, "z": 9 },
        ),
        (doc! {}, doc! { "$set": { "b": 1, "10": 1, "9": 1, "1a": 1 } }, doc! { "9": 1, "10": 1, "1a": 1, "b": 1 }),
        (doc! {}, doc! { "$set": { "a.b.c": 1 }, "$inc": { "a.n": 2 } }, doc! { "a": { "b": { "c": 1 }, "n": 2 } }),
        (
            doc! { "a": [1, { "b": 2 }] },
            doc! { "$set": { "a.1.b": 3, "a.4.c": 4 } },
            doc! { "a": [1, { "b": 3 }, null, null, { "c": 4 }] },
        ),
        (doc! { "a": { "0": 1 } }, doc! { "$set": { "a.0": 2, "a.2": 3 } }, doc! { "a": { "0": 2, "2": 3 } }),
        (doc! { "a": 1 }, doc! { "$set": {} }, doc! { "a": 1 }),
        (
            doc! {},
            doc! { "$set": { "a.$x": 1, "b": { "$y": { "c.d": 2 } } } },
            doc! { "a": { "$x": 1 }, "b": { "$y": { "c.d": 2 } } },
        ),
    ]);
    refusals(vec![
        (doc! { "a": [1] }, doc! { "$set": { "a.x": 1 } }, 28),
        (doc! { "a": 5 }, doc! { "$set": { "a.x": 1 } }, 28),
        (doc! { "a": null }, doc! { "$set": { "a.x": 1 } }, 28),
        (doc! { "a": [1] }, doc! { "$set": { "a.99999999": 1 } }, 2),
        (doc! { "a": [1] }, doc! { "$set": { "a.99999999.b": 1 } }, 2),
    ]);
}

#[test]
fn names_that_sort_as_numbers_and_as_text_are_put_in_one_order() {
    let fields: Document =
        (0..60).map(|number| (format!("{}{}", number % 13, ["", "a", "-"][number % 3]), 1.into())).collect();
    assert!(apply(doc! {}, doc! { "$set": fields }).is_ok());
}

#[test]
fn unset_takes_fields_away_and_leaves_a_null_in_arrays() {
    table(vec![
        (doc! { "a": 1, "b": { "c": 1, "d": 2 } }, doc! { "$unset": { "a": "", "b.c": 1 } }, doc! { "b": { "d": 2 } }),
        (doc! { "a": [1, 2, 3] }, doc! { "$unset": { "a.1": 1, "a.9": 1 } }, doc! { "a": [1, null, 3] }),
        (doc! { "a": [{ "b": 1 }] }, doc! { "$unset": { "a.0.b": 1, "a.x": 1 } }, doc! { "a": [{}] }),
        (doc! { "a": 5 }, doc! { "$unset": { "a.b": 1, "x.y.z": 1 } }, doc! { "a": 5 }),
    ]);
    refusals(vec![(doc! {}, doc! { "$unset": { "a.$[]": 1 } }, 2)]);
}

#[test]
fn increments_and_products_keep_or_widen_the_type() {
    let count = |operator: &str, before: Bson, by: Bson| {
        apply(doc! { "n": before }, doc! { operator: { "n": by } }).map(|mut after| after.remove("n").unwrap())
    };
    for (before, by, sum, product) in [
        (bson!(1), bson!(2), bson!(3), bson!(2)),
        (bson!(i32::MAX), bson!(2), Bson::Int64(2_147_483_649), Bson::Int64(4_294_967_294)),
        (bson!(3), bson!(2_i64), bson!(5_i64), bson!(6_i64)),
        (bson!(3_i64), bson!(-2), bson!(1_i64), bson!(-6_i64)),
        (bson!(1), bson!(0.5), bson!(1.5), bson!(0.5)),
        (bson!(1.5), bson!(2_i64), bson!(3.5), bson!(3.0)),
        (bson!(f64::INFINITY), bson!(2), bson!(f64::INFINITY), bson!(f64::INFINITY)),
    ] {
        assert_eq!(count("$inc", before.clone(), by.clone()).unwrap(), sum, "{before} + {by}");
        assert_eq!(count("$mul", before.clone(), by.clone()).unwrap(), product, "{before} * {by}");
    }
    table(vec![
        (doc! {}, doc! { "$inc": { "n": 5_i64 } }, doc! { "n": 5_i64 }),
        (doc! {}, doc! { "$mul": { "a": 5, "b": 5_i64, "c": 1.5 } }, doc! { "a": 0, "b": 0_i64, "c": 0.0 }),
    ]);
    let product = apply(doc! {}, doc! { "$mul": { "a": f64::INFINITY, "b": -1.0 } }).unwrap();
    assert!(product.get_f64("a").unwrap().is_nan() && product.get_f64("b").unwrap().is_sign_negative(), "{product}");
    for (operator, before, by, code) in [
        ("$inc", bson!(i64::MAX), bson!(1), 2),
        ("$mul", bson!(i64::MAX), bson!(2), 2),
        ("$inc", bson!("1"), bson!(1), 14),
        ("$inc", Bson::Null, bson!(1), 14),
        ("$mul", bson!([1]), bson!(1), 14),
        ("$inc", bson!(1), bson!("1"), 14),
    ] {
        assert_eq!(
            count(operator, before.clone(), by.clone()).unwrap_err().code(),
            Some(code),
            "{operator} {before} {by}"
        );
    }
    for (before, by) in [(bson!(1), decimal("1")), (decimal("1"), bson!(1))] {
        for operator in ["$inc", "$mul"] {
            let error = count(operator, before.clone(), by.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("Decimal128") && error.to_string().contains(operator), "{error}");
        }
    }
}

#[test]
fn min_and_max_compare_over_all_types() {
    table(vec![
        (
            doc! { "a": 5, "b": 5, "c": "x" },
            doc! { "$min": { "a": 3, "b": 9, "c": 1 } },
            doc! { "a": 3, "b": 5, "c": 1 },
        ),
        (
            doc! { "a": 5, "b": 5, "c": 1 },
            doc! { "$max": { "a": 3, "b": 9, "c": "x", "d": 0 } },
            doc! { "a": 5, "b": 9, "c": "x", "d": 0 },
        ),
        (doc! { "a": 5 }, doc! { "$min": { "a": 5.0 } }, doc! { "a": 5 }),
        (doc! { "a": decimal("0.1") }, doc! { "$max": { "a": 0.1 } }, doc! { "a": 0.1 }),
        (doc! { "a": null }, doc! { "$max": { "a": 1 } }, doc! { "a": 1 }),
    ]);
}

#[test]
fn rename_moves_a_field_to_its_new_place() {
    table(vec![
        (doc! { "a": 1, "b": 2, "c": 3 }, doc! { "$rename": { "a": "b" } }, doc! { "b": 1, "c": 3 }),
        (doc! { "a": 1, "b": 2 }, doc! { "$rename": { "a": "z" } }, doc! { "b": 2, "z": 1 }),
        (doc! { "a": { "b": 1 } }, doc! { "$rename": { "a.b": "c.d" } }, doc! { "a": {}, "c": { "d": 1 } }),
        (doc! { "a": [1] }, doc! { "$rename": { "a": "b" } }, doc! { "b": [1] }),
        (doc! { "b": 1 }, doc! { "$rename": { "a": "b" } }, doc! { "b": 1 }),
        (doc! { "z": 1 }, doc! { "$rename": { "z": "a", "x": "y" } }, doc! { "a": 1 }),
        // Nothing is there to rename: in an array either.
        (doc! { "a": [{}] }, doc! { "$rename": { "a.1": "b", "a.0.x": "c" } }, doc! { "a": [{}] }),
    ]);
    refusals(vec![
        (doc! {}, doc! { "$rename": { "a": "a" } }, 2),
        (doc! {}, doc! { "$rename": { "a": "a.b" } }, 2),
        (doc! {}, doc! { "$rename": { "a": 1 } }, 2),
        (doc! {}, doc! { "$rename": { "a.$": "b" } }, 2),
        (doc! {}, doc! { "$rename": { "a": "b.$[]" } }, 2),
        (doc! { "a": [{ "b": 1 }] }, doc! { "$rename": { "a.0": "c" } }, 2),
        (doc! { "a": 1, "c": [1] }, doc! { "$rename": { "a": "c.0" } }, 2),
        (doc! { "a": [[1]] }, doc! { "$rename": { "a.0.0": "c" } }, 2),
        (doc! { "a": 5 }, doc! { "$rename": { "a.b": "c" } }, 28),
        (doc! { "a": [1] }, doc! { "$rename": { "a.b": "c" } }, 28),
        (doc! { "a": [1] }, doc! { "$rename": { "a.0.b": "c" } }, 28),
        (doc! { "_id": 1 }, doc! { "$rename": { "_id": "c" } }, 66),
        (doc! { "a": 1 }, doc! { "$rename": { "a": "b" }, "$set": { "a": 1 } }, 40),
        (doc! { "a": 1 }, doc! { "$rename": { "a": "b" }, "$set": { "b.c": 1 } }, 40),
    ]);
}

#[test]
fn dates_bits_and_what_only_an_insertion_sets() {
    let now = Bson::DateTime(DateTime::from_millis(7));
    let timestamp = Bson::Timestamp(Timestamp { time: 7, increment: 1 });
    table(vec![
        (
            doc! {},
            doc! { "$currentDate": { "a": true, "b": { "$type": "date" }, "c": { "$type": "timestamp" } } },
            doc! { "a": now.clone(), "b": now, "c": timestamp },
        ),
        (
            doc! { "a": 13, "b": 1_i64, "c": 5 },
            doc! { "$bit": { "a": { "and": 10 }, "b": { "or": 6 }, "c": { "xor": 1_i64 }, "d": { "or": 3 } } },
            doc! { "a": 8, "b": 7_i64, "c": 4_i64, "d": 3 },
        ),
        (doc! { "a": 5 }, doc! { "$setOnInsert": { "a.b": 1, "c": 2 } }, doc! { "a": 5 }),
    ]);
    refusals(vec![
        (doc! {}, doc! { "$currentDate": { "a": 1 } }, 2),
        (doc! {}, doc! { "$currentDate": { "a": { "$type": "x" } } }, 2),
        (doc! { "a": 1.5 }, doc! { "$bit": { "a": { "and": 1 } } }, 2),
        (doc! {}, doc! { "$bit": { "a": { "and": 1.5 } } }, 2),
        (doc! {}, doc! { "$bit": { "a": { "not": 1 } } }, 2),
        (doc! {}, doc! { "$bit": { "a": {} } }, 2),
    ]);
    let mut new = doc! { "a": 1 };
    let update = Update::parse(&doc! { "$setOnInsert": { "b": 2 }, "$set": { "_id": 9 } }, &[]).unwrap();
    update.apply(&mut new, &Application { inserting: true, ..how() }).unwrap();
    assert_eq!(new, doc! { "a": 1, "_id": 9, "b": 2 });
}

#[test]
fn the_id_stays() {
    assert!(apply(doc! { "_id": 1 }, doc! { "$set": { "_id": 1, "a": 2 } }).is_ok());
    assert!(apply(doc! { "_id": f64::NAN }, doc! { "$set": { "a": 2 } }).is_ok());
    refusals(vec![
        (doc! { "_id": 1 }, doc! { "$set": { "_id": 2 } }, 66),
        (doc! { "_id": 1 }, doc! { "$set": { "_id": 1.0 } }, 66),
        (doc! { "_id": 1 }, doc! { "$inc": { "_id": 1 } }, 66),
        (doc! { "_id": 1 }, doc! { "$unset": { "_id": 1 } }, 66),
        (doc! { "_id": { "a": 1 } }, doc! { "$set": { "_id.a": 2 } }, 66),
        (doc! { "_id": { "a": 1 } }, doc! { "$set": { "_id.b": 2 } }, 66),
    ]);
}

#[test]
fn a_replacement_keeps_the_id_in_front() {
    let replaced = |before: Document, new: Document| {
        let mut document = before;
        Update::replacement(&new)?.apply(&mut document, &how()).map(|()| document)
    };
    assert_eq!(replaced(doc! { "_id": 1, "a": 1 }, doc! { "b": 2 }).unwrap(), doc! { "_id": 1, "b": 2 });
    let after = replaced(doc! { "_id": 1 }, doc! { "b": 2, "_id": 1 }).unwrap();
    assert_eq!(after.keys().collect::<Vec<_>>(), ["_id", "b"]);
    assert_eq!(replaced(doc! { "_id": 1 }, doc! { "_id": 2 }).unwrap_err().code(), Some(66));
    assert_eq!(replaced(doc! { "_id": 1 }, doc! { "$set": { "a": 1 } }).unwrap_err().code(), Some(2));
    assert_eq!(replaced(doc! { "_id": 1 }, doc! { "a": 1, "$set": 1 }).unwrap_err().code(), Some(52));
    assert!(replaced(doc! { "_id": 1 }, doc! { "a": { "$b": 1 } }).is_ok());
    assert_eq!(replaced(doc! {}, doc! { "_id": 3, "a": 1 }).unwrap(), doc! { "_id": 3, "a": 1 });
}

#[test]
fn what_is_wrong_is_named() {
    for (update, code, named) in [
        (doc! { "a": 1 }, 9, "a"),
        (doc! {}, 9, "$set"),
        (doc! { "$foo": { "a": 1 } }, 9, "$foo"),
        (doc! { "$set": 1 }, 9, "$set"),
        (doc! { "$set": { "a..b": 1 } }, 56, "a..b"),
        (doc! { "$set": { "": 1 } }, 56, "$set"),
        (doc! { "$set": { "$a": 1 } }, 52, "$a"),
        (doc! { "$set": { "$": 1 } }, 2, "$"),
        (doc! { "$set": { "a.$.b.$": 1 } }, 2, "a.$.b.$"),
        (doc! { "$set": { "a": 1 }, "$inc": { "a": 1 } }, 40, "a and a"),
        (doc! { "$set": { "a.b": 1, "a": 1 } }, 40, "a and a.b"),
        (doc! { "$set": { "a.$[]": 1, "a.0": 1 } }, 40, "a"),
        (doc! { "$set": { "a.$[].b": 1, "a.$[]": 1 } }, 40, "a.$[]"),
        (doc! { "$set": { "a.$[x]": 1 } }, 2, "$[x]"),
        (doc! { "$pop": { "a": 2 } }, 9, "$pop"),
        (doc! { "$pullAll": { "a": 1 } }, 2, "$pullAll"),
        (doc! { "$push": { "a": { "$each": 1 } } }, 2, "$each"),
        (doc! { "$push": { "a": { "$each": [], "$foo": 1 } } }, 2, "$foo"),
        (doc! { "$push": { "a": { "$each": [], "$slice": 1.5 } } }, 2, "$slice"),
        (doc! { "$push": { "a": { "$each": [], "$sort": 2 } } }, 2, "$sort"),
        (doc! { "$push": { "a": { "$each": [], "$sort": { "b": 2 } } } }, 2, "b"),
        (doc! { "$addToSet": { "a": { "$each": 1 } } }, 14, "$each"),
        (doc! { "$addToSet": { "a": { "$each": [], "x": 1 } } }, 2, "$each"),
        (doc! { "$pull": { "a": { "$where": "x" } } }, 2, "$where"),
    ] {
        let error = Update::parse(&update, &[]).unwrap_err();
        assert_eq!(error.code(), Some(code), "{update}: {error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn hostile_updates_are_refused_without_a_deep_stack() {
    let deep = (0..400).fold(bson!(1), |inner, _| bson!({ "a": inner }));
    for operator in ["$set", "$push", "$addToSet", "$pull", "$min", "$setOnInsert"] {
        assert!(Update::parse(&doc! { operator: { "a": deep.clone() } }, &[]).is_err(), "{operator}");
    }
    let path = vec!["a"; 10_000].join(".");
    assert_eq!(Update::parse(&doc! { "$set": { path: 1 } }, &[]).unwrap_err().code(), Some(2));
    assert!(Update::replacement(deep.as_document().unwrap()).is_err());
}
