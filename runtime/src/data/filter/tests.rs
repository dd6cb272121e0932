//! Filters against MongoDB's manual: by operator, then against a second implementation, then their bounds.

use bson::{Bson, Document, RawDocumentBuf, Regex, bson, doc};

use super::*;

mod bounds;
mod second;

pub(crate) use second::{PATHS, document, filter, means, value};

pub(super) fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn matches(filter: &Document, document: &Document) -> bool {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&raw(document))
}

/// Each filter of `a` with values of `a` that match it, and that don't.
#[track_caller]
fn table(rows: Vec<(Bson, Vec<Bson>, Vec<Bson>)>) {
    for (filter, yes, no) in rows {
        let filter = doc! { "a": filter };
        for value in yes {
            assert!(matches(&filter, &doc! { "a": value.clone() }), "{filter} should match a: {value}");
        }
        for value in no {
            assert!(!matches(&filter, &doc! { "a": value.clone() }), "{filter} shouldn't match a: {value}");
        }
    }
}

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse().unwrap())
}

fn regex(pattern: &str, options: &str) -> Bson {
    Regex { pattern: pattern.try_into().unwrap(), options: options.try_into().unwrap() }.into()
}

const NAN: Bson = Bson::Double(f64::NAN);

#[test]
fn equality_compares_numbers_over_their_types_and_documents_field_by_field() {
    table(vec![
        (
            bson!(1),
            vec![bson!(1_i64), bson!(1.0), decimal("1.0"), bson!([2, 1])],
            vec![bson!("1"), bson!(true), bson!(2)],
        ),
        (bson!((1_i64 << 53) + 1), vec![bson!((1_i64 << 53) + 1)], vec![bson!(9_007_199_254_740_992.0)]),
        (NAN, vec![NAN, decimal("NaN")], vec![bson!(0), Bson::Null]),
        (bson!({ "b": 1 }), vec![bson!({ "b": 1.0 }), bson!([{ "b": 1 }])], vec![bson!({ "b": 1, "c": 2 }), bson!({})]),
        (bson!({ "b": 1, "c": 2 }), vec![bson!({ "b": 1, "c": 2 })], vec![bson!({ "c": 2, "b": 1 })]),
        (
            bson!([1, 2]),
            vec![bson!([1, 2]), bson!([[1, 2], 3])],
            vec![bson!([2, 1]), bson!([1, 2, 3]), bson!([[[1, 2]]])],
        ),
        (bson!([]), vec![bson!([]), bson!([[]])], vec![bson!([1]), Bson::Null]),
        (bson!({ "$eq": regex("x", "") }), vec![regex("x", "")], vec![bson!("x"), regex("x", "i")]),
        (bson!({ "$ref": "c", "$id": 1 }), vec![bson!({ "$ref": "c", "$id": 1 })], vec![bson!({ "$id": 1 })]),
    ]);
}

#[test]
fn null_matches_what_is_missing() {
    for document in [doc! {}, doc! { "a": null }, doc! { "a": [1, null] }] {
        for filter in [
            doc! { "a": null },
            doc! { "a": { "$in": [null] } },
            doc! { "a": { "$lte": null } },
            doc! { "a": { "$gte": null } },
        ] {
            assert!(matches(&filter, &document), "{filter} {document}");
        }
        assert!(!matches(&doc! { "a": { "$ne": null } }, &document));
        assert!(!matches(&doc! { "a": { "$gt": null } }, &document));
        assert!(!matches(&doc! { "a": { "$lt": null } }, &document));
    }
    for document in [doc! { "a": 0 }, doc! { "a": [] }, doc! { "a": {} }] {
        assert!(!matches(&doc! { "a": null }, &document));
        assert!(matches(&doc! { "a": { "$ne": null } }, &document));
    }
    let b_is_null = doc! { "a.b": null };
    for document in [doc! {}, doc! { "a": 4 }, doc! { "a": null }, doc! { "a": {} }, doc! { "a": [{ "b": 3 }, {}] }] {
        assert!(matches(&b_is_null, &document), "{document}");
    }
    for document in [doc! { "a": [] }, doc! { "a": [[]] }, doc! { "a": [null] }, doc! { "a": [{ "b": 1 }] }] {
        assert!(!matches(&b_is_null, &document), "{document}");
    }
}

#[test]
fn comparison_stays_within_one_kind_of_values() {
    table(vec![
        (
            bson!({ "$gt": 5 }),
            vec![bson!(6), bson!(5.5), decimal("5.1"), bson!([1, 9])],
            vec![bson!(5), bson!("6"), bson!(true), Bson::Null, NAN, bson!([]), bson!({})],
        ),
        (bson!({ "$gte": 5 }), vec![bson!(5.0)], vec![bson!(4), bson!("5"), bson!([[5]])]),
        (
            bson!({ "$lt": 5 }),
            vec![bson!(-1), Bson::Double(f64::NEG_INFINITY)],
            vec![NAN, Bson::Null, bson!(false), Bson::MinKey],
        ),
        (bson!({ "$lte": NAN }), vec![NAN, decimal("NaN")], vec![bson!(1), Bson::Null]),
        (bson!({ "$lt": NAN }), vec![], vec![NAN, bson!(1)]),
        (
            bson!({ "$gt": "a" }),
            vec![bson!("b"), Bson::Symbol("b".into())],
            vec![bson!("a"), bson!("A"), bson!(1), regex("b", "")],
        ),
        (
            bson!({ "$gt": [1] }),
            vec![bson!([2]), bson!([1, 0]), bson!([[2]])],
            vec![bson!([1]), bson!(5), bson!([0, 9])],
        ),
        (bson!({ "$gt": { "b": 1 } }), vec![bson!({ "b": 2 }), bson!({ "c": 0 })], vec![bson!({ "b": 1 }), bson!(1)]),
        (bson!({ "$gt": Bson::MinKey }), vec![bson!(1), Bson::Null, bson!("x")], vec![Bson::MinKey]),
        (bson!({ "$lt": Bson::MaxKey }), vec![bson!(1), Bson::MinKey], vec![Bson::MaxKey]),
        (bson!({ "$gt": true }), vec![], vec![bson!(true), bson!(2)]),
        (bson!({ "$gte": false }), vec![bson!(false), bson!(true)], vec![bson!(0)]),
    ]);
}

#[test]
fn an_array_may_fulfil_two_conditions_with_two_elements_but_elem_match_wants_one() {
    table(vec![
        (bson!({ "$gt": 1, "$lt": 5 }), vec![bson!([0, 9]), bson!(3)], vec![bson!([1, 0])]),
        (
            bson!({ "$elemMatch": { "$gt": 1, "$lt": 5 } }),
            vec![bson!([0, 3])],
            vec![bson!([0, 9]), bson!(3), bson!([[3]])],
        ),
        (bson!({ "$elemMatch": { "$ne": 1 } }), vec![bson!([1, 2])], vec![bson!([1]), bson!([]), bson!(2)]),
        (bson!({ "$elemMatch": { "$not": { "$gt": 1 } } }), vec![bson!([5, 0])], vec![bson!([5])]),
        (bson!({ "$elemMatch": { "$elemMatch": { "$gt": 1 } } }), vec![bson!([[0, 2]])], vec![bson!([2])]),
        (
            bson!({ "$elemMatch": { "b": 1, "c": 2 } }),
            vec![bson!([{ "b": 1, "c": 2 }])],
            vec![bson!([{ "b": 1 }, { "c": 2 }]), bson!({ "b": 1, "c": 2 })],
        ),
        (bson!({ "$elemMatch": {} }), vec![bson!([{}]), bson!([[]])], vec![bson!([1]), bson!([])]),
        (bson!({ "$elemMatch": { "0": 1 } }), vec![bson!([[1]])], vec![bson!([1])]),
        (
            bson!({ "$elemMatch": { "$or": [{ "b": 1 }, { "b": 2 }] } }),
            vec![bson!([{ "b": 2 }])],
            vec![bson!([{ "b": 3 }])],
        ),
        (bson!({ "$elemMatch": { "$in": [1, null] } }), vec![bson!([null]), bson!([1])], vec![bson!([]), bson!([[1]])]),
    ]);
}

#[test]
fn paths_go_through_arrays_in_two_ways() {
    for (filter, document, expected) in [
        (doc! { "a.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": [3, 2] }] }, true),
        (doc! { "a.1.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": 2 }] }, true),
        (doc! { "a.0.b": 2 }, doc! { "a": [{ "b": 1 }, { "b": 2 }] }, false),
        (doc! { "a.0": 1 }, doc! { "a": [1, 2] }, true),
        (doc! { "a.0": 2 }, doc! { "a": [1, 2] }, false),
        (doc! { "a.0": 1 }, doc! { "a": [[1, 2]] }, false),
        (doc! { "a.0": [1, 2] }, doc! { "a": [[1, 2]] }, true),
        (doc! { "a.0.0": 1 }, doc! { "a": [[1, 2]] }, true),
        (doc! { "a.0": 5 }, doc! { "a": [{ "0": 5 }] }, true),
        (doc! { "a.0": 5 }, doc! { "a": { "0": 5 } }, true),
        (doc! { "a.00": 1 }, doc! { "a": [1] }, false),
        (doc! { "a.b": 1 }, doc! { "a": [[{ "b": 1 }]] }, false),
        (doc! { "a.0.b": 1 }, doc! { "a": [[{ "b": 1 }]] }, true),
        (doc! { "a.b.c": 1 }, doc! { "a": [{ "b": [{ "c": 1 }] }] }, true),
        (doc! { "a.b": { "$exists": true } }, doc! { "a": [1, { "b": null }] }, true),
        (doc! { "a.b": { "$exists": false } }, doc! { "a": [1, {}] }, true),
        (doc! { "a.b": { "$exists": false } }, doc! { "a": [{}, { "b": 1 }] }, false),
        (doc! { "a.b": { "$ne": 1 } }, doc! { "a": [{ "b": 1 }, { "b": 2 }] }, false),
        (doc! { "a.b": { "$size": 2 } }, doc! { "a": [{ "b": [1] }, { "b": [1, 2] }] }, true),
        (doc! { "": 1 }, doc! { "": 1 }, true),
    ] {
        assert_eq!(matches(&filter, &document), expected, "{filter} {document}");
    }
}

#[test]
fn lists_sizes_types_and_remainders() {
    table(vec![
        (
            bson!({ "$in": [1, "x", [2], regex("^y", "")] }),
            vec![bson!(1.0), bson!("x"), bson!([2]), bson!([[2]]), bson!("yes"), bson!([0, "yy"])],
            vec![bson!(2), bson!("oy"), Bson::Null],
        ),
        (bson!({ "$nin": [1, null] }), vec![bson!(2), bson!([])], vec![bson!(1), Bson::Null, bson!([2, 1])]),
        (bson!({ "$in": [] }), vec![], vec![bson!(1), Bson::Null]),
        (bson!({ "$ne": 1 }), vec![bson!("1"), Bson::Null, bson!([])], vec![bson!(1), bson!([0, 1])]),
        (bson!({ "$size": 2 }), vec![bson!([1, 2]), bson!([[], []])], vec![bson!([1]), bson!("ab"), bson!([[1, 2]])]),
        (bson!({ "$size": 0.0 }), vec![bson!([])], vec![Bson::Null]),
        (
            bson!({ "$type": "number" }),
            vec![bson!(1), bson!(1.5), decimal("1"), bson!(["x", 1])],
            vec![bson!("1"), bson!([])],
        ),
        (bson!({ "$type": ["string", 8] }), vec![bson!("x"), bson!(true)], vec![bson!(1)]),
        (bson!({ "$type": "array" }), vec![bson!([]), bson!([1]), bson!([[1]])], vec![bson!(1)]),
        (bson!({ "$type": "null" }), vec![Bson::Null], vec![bson!(0)]),
        (bson!({ "$type": -1 }), vec![Bson::MinKey], vec![Bson::MaxKey]),
        (
            bson!({ "$mod": [4, 1] }),
            vec![bson!(5), bson!(5.9), decimal("9.5"), bson!([2, 1])],
            vec![bson!(4), bson!(-3), bson!("5"), NAN],
        ),
        (bson!({ "$mod": [4, -1] }), vec![bson!(-5), bson!(-5.5)], vec![bson!(5)]),
        (bson!({ "$mod": [-1, 0] }), vec![bson!(i64::MIN)], vec![Bson::Double(1e300)]),
        (bson!({ "$all": [1, 2] }), vec![bson!([2, 1, 3])], vec![bson!([1]), bson!(1), bson!([[1, 2]])]),
        (bson!({ "$all": [1] }), vec![bson!(1), bson!([1])], vec![bson!([[1]])]),
        (bson!({ "$all": [[1, 2]] }), vec![bson!([1, 2]), bson!([[1, 2]])], vec![bson!([2, 1])]),
        (bson!({ "$all": [] }), vec![], vec![bson!([]), bson!(1)]),
        (bson!({ "$all": [regex("^x", ""), "y"] }), vec![bson!(["y", "xx"])], vec![bson!(["y"])]),
        (
            bson!({ "$all": [{ "$elemMatch": { "b": 1 } }, { "$elemMatch": { "b": 2 } }] }),
            vec![bson!([{ "b": 2 }, { "b": 1 }])],
            vec![bson!([{ "b": 1 }])],
        ),
        (bson!({ "$exists": true }), vec![Bson::Null, bson!([])], vec![]),
        (bson!({ "$exists": 0 }), vec![], vec![Bson::Null]),
        (
            bson!({ "$not": { "$gt": 1, "$lt": 5 } }),
            vec![bson!(9), bson!("x"), Bson::Null],
            vec![bson!(3), bson!([0, 9])],
        ),
        (bson!({ "$not": regex("x", "") }), vec![bson!("y"), bson!(1)], vec![bson!("ax")]),
    ]);
}

#[test]
fn regular_expressions_mean_what_pcre_means() {
    table(vec![
        (
            regex("^ab", ""),
            vec![bson!("abc"), bson!(["x", "ab"]), Bson::Symbol("ab".into()), regex("^ab", "")],
            vec![bson!("xab"), bson!(1), regex("ab", "")],
        ),
        (regex("^É", "i"), vec![bson!("été")], vec![bson!("ete")]),
        (bson!({ "$regex": "a.c", "$options": "s" }), vec![bson!("a\nc")], vec![bson!("ac")]),
        (bson!({ "$regex": "a.c" }), vec![bson!("abc")], vec![bson!("a\nc")]),
        (bson!({ "$options": "i", "$regex": "ABC" }), vec![bson!("xabc")], vec![bson!("ab")]),
        (bson!({ "$regex": "^b", "$options": "m" }), vec![bson!("a\nb")], vec![bson!("ab")]),
        (bson!({ "$regex": "a b # c", "$options": "x" }), vec![bson!("ab")], vec![bson!("a b")]),
        (bson!({ "$regex": "[a b]c", "$options": "x" }), vec![bson!(" c")], vec![bson!("c")]),
        (regex("a$", ""), vec![bson!("a"), bson!("a\n")], vec![bson!("a\n\n"), bson!("ab")]),
        (regex("^(a|b$)", ""), vec![bson!("b\n"), bson!("ax")], vec![bson!("bx")]),
        (regex("^\\d$", ""), vec![bson!("7")], vec![bson!("\u{0667}")]),
        (regex("^\\w+$", ""), vec![bson!("a_9")], vec![bson!("é")]),
        (regex("^[^\\d]$", ""), vec![bson!("x"), bson!("\u{0667}")], vec![bson!("1")]),
        (regex("^[]a]+$", ""), vec![bson!("]a")], vec![bson!("b")]),
        (regex("^[]\\d&&]+$", ""), vec![bson!("]1&")], vec![bson!("b")]),
        (regex("^[a[]$", ""), vec![bson!("[")], vec![bson!("b")]),
        (regex("^[[:alpha:]]+$", ""), vec![bson!("az")], vec![bson!("1")]),
        (regex("^a{$", ""), vec![bson!("a{")], vec![bson!("a")]),
        (regex("^a{2}$", ""), vec![bson!("aa")], vec![bson!("a{2}")]),
        (regex("^\\<a\\>$", ""), vec![bson!("<a>")], vec![bson!("a")]),
        (regex("\\bcat\\b", ""), vec![bson!("a cat.")], vec![bson!("cats")]),
        (regex("(?i)ABC", ""), vec![bson!("abc")], vec![bson!("ab")]),
        (regex("^(?<year>\\d+)", ""), vec![bson!("2024")], vec![bson!("x")]),
        (regex("", ""), vec![bson!("")], vec![bson!(1)]),
    ]);
}

#[test]
fn regular_expressions_that_mean_something_else_here_are_refused_by_name() {
    for (pattern, named) in [
        ("(?=a)", "(?="),
        ("(?<!a)b", "(?<!"),
        ("(a)\\1", "\\1"),
        ("(?>a)", "(?>"),
        ("a*+b", "possessive"),
        ("a{2}+b", "possessive"),
        ("a?+", "possessive"),
        ("(?R)", "(?R"),
        ("(?#x)a", "(?#"),
        ("\\Ka", "\\K"),
        ("\\Qa\\E", "\\Q"),
        ("(*UCP)a", "(*"),
        ("\\v", "\\v"),
        ("\\07", "\\0"),
    ] {
        let error = Filter::parse(&doc! { "a": regex(pattern, "") }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{pattern}: {error}");
        assert!(error.to_string().contains(named), "{pattern}: {error}");
    }
    for (pattern, options) in
        [("(", ""), ("a**", ""), ("[b-a]", ""), ("a", "q"), ("((a{1000}){1000}){1000}", ""), ("a\\", "")]
    {
        let error = Filter::parse(&doc! { "a": { "$regex": pattern, "$options": options } }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{pattern}: {error}");
    }
    let deep = "(".repeat(10_000) + &")".repeat(10_000);
    assert_eq!(Filter::parse(&doc! { "a": regex(&deep, "") }).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn filters_add_up() {
    let filter = doc! { "$and": [{ "a": 1 }, { "$and": [{ "b": { "$eq": 2 } }] }], "c": 3, "$comment": "why" };
    assert!(matches(&filter, &doc! { "a": 1, "b": 2, "c": 3 }));
    for missing in ["a", "b", "c"] {
        let mut document = doc! { "a": 1, "b": 2, "c": 3 };
        document.insert(missing, 9);
        assert!(!matches(&filter, &document), "{missing} doesn't count");
    }
    assert!(matches(&doc! {}, &doc! { "a": 1 }));
    assert!(matches(&doc! { "$or": [{ "a": 1 }, {}] }, &doc! {}));
    assert!(matches(&doc! { "$nor": [{ "a": 1 }, { "b": 2 }] }, &doc! { "a": 2 }));
    assert!(!matches(&doc! { "$nor": [{ "a": 1 }, { "b": 2 }] }, &doc! { "b": 2 }));
}

#[test]
fn what_matched_is_the_place_in_the_outermost_array_that_the_filter_went_through() {
    let index = |filter: Document, document: Document| {
        Filter::parse(&filter).unwrap().matched(&raw(&document)).unwrap().array_index
    };
    assert_eq!(index(doc! { "a": 3 }, doc! { "a": [1, 3] }), Some(1));
    assert_eq!(index(doc! { "a": 3 }, doc! { "a": 3 }), None);
    assert_eq!(index(doc! { "a": [1] }, doc! { "a": [1] }), None);
    assert_eq!(index(doc! { "a.b": 3 }, doc! { "a": [{ "b": 1 }, { "b": [2, 3, 3] }] }), Some(1));
    assert_eq!(index(doc! { "a": { "$elemMatch": { "$gt": 2 } } }, doc! { "a": [1, 3] }), Some(1));
    assert_eq!(index(doc! { "a.b": { "$elemMatch": { "$gt": 2 } } }, doc! { "a": [{}, { "b": [0, 0, 3] }] }), Some(1));
    assert_eq!(index(doc! { "a": { "$exists": true } }, doc! { "a": [1, 3] }), None);
    assert_eq!(index(doc! { "a.1": 3 }, doc! { "a": [1, 3] }), None);
    assert_eq!(index(doc! { "a.1.b": 3 }, doc! { "a": [1, { "b": [0, 0, 3] }] }), Some(2));
    assert_eq!(index(doc! { "a": 3, "b": 9 }, doc! { "a": [1, 3], "b": [9] }), Some(0));
    let half = doc! { "$or": [{ "$and": [{ "a": 3 }, { "b": 1 }] }, { "c": 1 }] };
    assert_eq!(index(half, doc! { "a": [1, 3], "c": 1 }), None, "what didn't hold has no say");
    assert_eq!(index(doc! { "a": { "$not": { "$gt": 5 } } }, doc! { "a": [1, 3] }), None);
}

#[test]
fn what_is_not_offered_is_named_and_what_is_wrong_too() {
    for named in ["$where", "$text", "$jsonSchema"] {
        let error = Filter::parse(&doc! { named: 1 }).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, Some(2)), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    for named in ["$near", "$nearSphere", "$geoWithin", "$geoIntersects", "$bitsAllSet"] {
        for filter in [
            doc! { "a": { named: 1 } },
            doc! { "a": { "$not": { named: 1 } } },
            doc! { "$or": [{ "a": { "$elemMatch": { named: 1 } } }] },
        ] {
            let error = Filter::parse(&filter).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(named), "{error}");
        }
    }
    for filter in [
        doc! { "$and": [] },
        doc! { "$and": 1 },
        doc! { "$or": [1] },
        doc! { "$foo": 1 },
        doc! { "a": { "$foo": 1 } },
        doc! { "a": { "$eq": 1, "b": 2 } },
        doc! { "a": { "$in": 1 } },
        doc! { "a": { "$in": [{ "$gt": 1 }] } },
        doc! { "a": { "$not": 1 } },
        doc! { "a": { "$not": {} } },
        doc! { "a": { "$size": -1 } },
        doc! { "a": { "$size": 1.5 } },
        doc! { "a": { "$size": "1" } },
        doc! { "a": { "$type": "foo" } },
        doc! { "a": { "$type": [] } },
        doc! { "a": { "$type": 0 } },
        doc! { "a": { "$mod": [0, 1] } },
        doc! { "a": { "$mod": [1] } },
        doc! { "a": { "$mod": [1, 2, 3] } },
        doc! { "a": { "$mod": [NAN, 1] } },
        doc! { "a": { "$all": 1 } },
        doc! { "a": { "$all": [1, { "$elemMatch": { "b": 1 } }] } },
        doc! { "a": { "$elemMatch": 1 } },
        doc! { "a": { "$options": "i" } },
        doc! { "a": { "$regex": 1 } },
        doc! { "a": { "$regex": regex("a", "i"), "$options": "m" } },
        doc! { "a": { "$ne": regex("a", "") } },
        doc! { "a": { "$gt": regex("a", "") } },
        doc! { "a": Bson::Undefined },
    ] {
        let error = Filter::parse(&filter).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{filter}: {error}");
        assert!(error.code().is_some() && error.is_terminal(), "{filter}: {error}");
    }
}

#[test]
fn filters_nested_deep_are_refused_without_a_deep_stack() {
    let deep = |wrap: &dyn Fn(Document) -> Document| (0..400).fold(doc! { "a": 1 }, |inner, _| wrap(inner));
    for filter in [
        deep(&|inner| doc! { "$and": [inner] }),
        deep(&|inner| doc! { "$or": [inner] }),
        deep(&|inner| doc! { "a": { "$elemMatch": inner } }),
        doc! { "a": deep(&|inner| doc! { "$not": inner }) },
        doc! { "a": deep(&|inner| doc! { "b": inner }) },
        doc! { "a": { "$in": [deep(&|inner| doc! { "b": inner })] } },
    ] {
        assert_eq!(Filter::parse(&filter).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_long_list_of_values_is_looked_up_at_once() {
    let values: Vec<Bson> = (0..200_000).map(Bson::Int32).collect();
    let filter = Filter::parse(&doc! { "a": { "$in": values } }).unwrap();
    assert!(filter.matches(&raw(&doc! { "a": 199_999_i64 })));
    assert!(!filter.matches(&raw(&doc! { "a": -1 })));
}

#[test]
fn a_filter_that_says_the_ids_knows_their_keys() {
    let ids = |filter: Document| Filter::parse(&filter).unwrap().ids();
    let key = |value: i64| order::key_of(&value.into()).unwrap();
    assert_eq!(ids(doc! { "_id": 7 }), Some(vec![key(7)]));
    assert_eq!(ids(doc! { "$and": [{ "$and": [{ "_id": 7 }] }, { "a": 1 }] }), Some(vec![key(7)]));
    assert_eq!(ids(doc! { "_id": { "$in": [2, 1, 2.0] } }), Some(vec![key(1), key(2)]));
    for filter in [
        doc! { "_id.a": 7 },
        doc! { "a": 7 },
        doc! { "_id": { "$gt": 7 } },
        doc! { "$or": [{ "_id": 7 }] },
        doc! { "_id": { "$in": [1, regex("a", "")] } },
    ] {
        assert_eq!(ids(filter.clone()), None, "{filter}");
    }
}

#[test]
fn an_upsert_takes_what_the_filter_says_the_value_of() {
    let equalities = |filter: Document| {
        let found = Filter::parse(&filter).unwrap().equalities();
        found.map(|found| found.into_iter().map(|(path, value)| (path.join("."), value)).collect::<Document>())
    };
    let filter = doc! { "a": 1, "b.c": { "$eq": "x" }, "$and": [{ "d": null }], "e": { "$gt": 1 }, "f": regex("x", ""), "g": { "$all": [5] }, "h": { "$in": [1] }, "$or": [{ "i": 1 }] };
    assert_eq!(equalities(filter).unwrap(), doc! { "a": 1, "b.c": "x", "d": null, "g": 5, "i": 1 });
    let order = equalities(doc! { "b": 1, "a.c": 2, "a.b": 3 }).unwrap();
    assert_eq!(order.keys().collect::<Vec<_>>(), ["a.b", "a.c", "b"], "in the order of the paths");
    assert_eq!(
        equalities(doc! { "$or": [{ "a": 1 }, { "b": 1 }], "$nor": [{ "c": 1 }], "d": { "$ne": 1 } }).unwrap(),
        doc! {}
    );
    for filter in [
        doc! { "a": 1, "$and": [{ "a": 1 }] },
        doc! { "a": 1, "a.b": 2 },
        doc! { "a.b": 2, "a": { "c": 1 } },
        doc! { "a": { "$all": [1, 2] } },
    ] {
        assert_eq!(equalities(filter.clone()).unwrap_err().code(), Some(54), "{filter}");
    }
}
