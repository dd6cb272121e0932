//! Updates by pipeline: each stage is as in an aggregation.

use super::*;

fn piped(mut document: Document, stages: &[Document]) -> Result<Document> {
    Update::pipeline(stages, &doc! {})?.apply(&mut document, &how())?;
    Ok(document)
}

/// `$set` goes through arrays and makes documents of what is none; a number is a field's name.
#[test]
fn a_field_is_set_in_documents_arrays_and_what_is_neither() {
    for (before, set, after) in [
        (doc! { "c": 1 }, doc! { "c.d": "$c" }, doc! { "c": { "d": 1 } }),
        (doc! { "c": null }, doc! { "c.d": 2 }, doc! { "c": { "d": 2 } }),
        (
            doc! { "c": [{ "x": 1 }, 5, [{}]] },
            doc! { "c.d": 2 },
            doc! { "c": [{ "x": 1, "d": 2 }, { "d": 2 }, [{ "d": 2 }]] },
        ),
        (doc! { "c": [] }, doc! { "c.0": 2 }, doc! { "c": [] }),
        (doc! { "c": [{}] }, doc! { "c.0": 2 }, doc! { "c": [{ "0": 2 }] }),
        (doc! {}, doc! { "a.b": 1, "a.c": 2 }, doc! { "a": { "b": 1, "c": 2 } }),
        // What is missing takes away, and leaves a document on the way.
        (doc! { "a": 1, "b": 2 }, doc! { "a": "$x" }, doc! { "b": 2 }),
        (doc! { "a": [{ "b": 1, "c": 1 }] }, doc! { "a.b": "$x" }, doc! { "a": [{ "c": 1 }] }),
        (doc! {}, doc! { "a.b": "$x" }, doc! { "a": {} }),
    ] {
        assert_eq!(piped(before.clone(), &[doc! { "$set": set.clone() }]).unwrap(), after, "{set} of {before}");
    }
    let long = vec!["a"; 100_000].join(".");
    assert_eq!(piped(doc! {}, &[doc! { "$set": { long: 1 } }]).unwrap_err().code(), Some(15));
}

#[test]
fn the_id_stays_in_front_whatever_the_stages_drop() {
    for stage in [
        doc! { "$unset": "_id" },
        doc! { "$project": { "_id": 0, "a": 1 } },
        doc! { "$set": { "_id": "$x" } },
        doc! { "$replaceWith": { "a": "$a" } },
        doc! { "$replaceWith": { "a": "$a", "_id": 1 } },
    ] {
        let after = piped(doc! { "_id": 1, "a": 2 }, std::slice::from_ref(&stage)).unwrap();
        assert_eq!(after, doc! { "_id": 1, "a": 2 }, "{stage}");
        assert_eq!(after.keys().next().unwrap(), "_id", "{stage}");
    }
    assert_eq!(piped(doc! { "_id": 1 }, &[doc! { "$set": { "_id": 2 } }]).unwrap_err().code(), Some(66));
}

/// A decimal 0 isn't true either.
#[test]
fn each_zero_is_false() {
    for zero in [bson!(0), bson!(0_i64), bson!(-0.0), decimal("0E+3"), decimal("-0"), Bson::Null, bson!(false)] {
        let stage = doc! { "$set": { "b": { "$cond": ["$a", 1, 2] } } };
        assert_eq!(piped(doc! { "a": zero.clone() }, &[stage]).unwrap(), doc! { "a": zero, "b": 2 });
    }
}
