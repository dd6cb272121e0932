//! A second implementation, of decoded documents and without any haste, which the first must agree with.

use std::cmp::Ordering;

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::super::{Filter, order};

/// Values of few kinds, so that they often meet.
pub(crate) fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        (-1_i32..3).prop_map(Bson::from),
        (0_i64..3).prop_map(Bson::from),
        prop_oneof![Just(0.5), Just(1.0), Just(f64::NAN), Just(-0.0)].prop_map(Bson::from),
        prop_oneof![Just("1"), Just("0.5"), Just("NaN")].prop_map(|text| Bson::Decimal128(text.parse().unwrap())),
        prop_oneof![Just(""), Just("a"), Just("ab"), Just("b")].prop_map(Bson::from),
        any::<bool>().prop_map(Bson::from),
        Just(Bson::Null),
        Just(Bson::MinKey),
        Just(Bson::DateTime(bson::DateTime::from_millis(5))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::from),
            fields(inner).prop_map(Bson::from),
        ]
    })
}

fn fields(value: impl Strategy<Value = Bson>) -> impl Strategy<Value = Document> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("0")];
    prop::collection::vec((name, value), 0..4)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(crate) fn document() -> impl Strategy<Value = Document> {
    fields(value())
}

pub(crate) const PATHS: [&str; 8] = ["a", "b", "a.b", "a.b.c", "b.a", "a.0", "a.0.b", "a.1"];

fn operators() -> impl Strategy<Value = Document> {
    let compared = prop_oneof![Just("$eq"), Just("$ne"), Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte")];
    let leaf = prop_oneof![
        4 => (compared, value()).prop_map(|(operator, value)| doc! { operator: value }),
        1 => (prop_oneof![Just("$in"), Just("$nin"), Just("$all")], prop::collection::vec(value(), 0..3))
            .prop_map(|(operator, values)| doc! { operator: values }),
        1 => any::<bool>().prop_map(|there| doc! { "$exists": there }),
        1 => (0..3).prop_map(|size| doc! { "$size": size }),
        1 => prop_oneof![Just("number"), Just("string"), Just("array"), Just("object"), Just("null"), Just("int")]
            .prop_map(|name| doc! { "$type": name }),
        1 => (1..3, 0..2).prop_map(|(divisor, remainder)| doc! { "$mod": [divisor, remainder] }),
        1 => prop_oneof![Just("^a"), Just("b"), Just("^ab?$")].prop_map(|pattern| doc! { "$regex": pattern }),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let both = (inner.clone(), inner.clone()).prop_map(|(mut left, right)| {
            left.extend(right);
            left
        });
        prop_oneof![
            both,
            inner.clone().prop_map(|inner| doc! { "$not": inner }),
            inner.clone().prop_map(|inner| doc! { "$elemMatch": inner }),
            (prop_oneof![Just("a"), Just("b"), Just("0")], inner)
                .prop_map(|(name, inner)| doc! { "$elemMatch": { name: inner } }),
        ]
    })
}

pub(crate) fn filter() -> impl Strategy<Value = Document> {
    let path = prop::sample::select(PATHS.to_vec());
    let field = prop_oneof![
        (path.clone(), operators()).prop_map(|(path, operators)| doc! { path: operators }),
        (path, value()).prop_map(|(path, value)| doc! { path: value }),
    ];
    field.prop_recursive(2, 8, 3, |inner| {
        let several = prop::collection::vec(inner, 1..3);
        (prop_oneof![Just("$and"), Just("$or"), Just("$nor")], several)
            .prop_map(|(name, several)| doc! { name: several })
    })
}

/// Whether a document is meant.
pub(crate) fn means(filter: &Document, document: &Document) -> bool {
    filter.iter().all(|(name, value)| {
        let parts = || value.as_array().unwrap().iter().map(|part| means(part.as_document().unwrap(), document));
        match name.as_str() {
            "$and" => parts().all(|means| means),
            "$or" => parts().any(|means| means),
            "$nor" => !parts().any(|means| means),
            path => match operators_in(value) {
                Some(operators) => on_path(path, operators, document),
                None => on_path(path, &doc! { "$eq": value }, document),
            },
        }
    })
}

fn operators_in(value: &Bson) -> Option<&Document> {
    value.as_document().filter(|inner| inner.keys().next().is_some_and(|first| first.starts_with('$')))
}

fn on_path(path: &str, operators: &Document, document: &Document) -> bool {
    let parts: Vec<&str> = path.split('.').collect();
    operators.iter().all(|(operator, operand)| match operator.as_str() {
        "$ne" => !on_path(path, &doc! { "$eq": operand }, document),
        "$nin" => !on_path(path, &doc! { "$in": operand }, document),
        "$not" => !on_path(path, operand.as_document().unwrap(), document),
        "$exists" if !operand.as_bool().unwrap() => !on_path(path, &doc! { "$exists": true }, document),
        "$all" => {
            let all = operand.as_array().unwrap();
            !all.is_empty() && all.iter().all(|one| on_path(path, &doc! { "$eq": one }, document))
        }
        operator => {
            let elements = !matches!(operator, "$exists" | "$size" | "$elemMatch");
            reach(document, &parts, elements).iter().any(|value| one(operator, operand, value.as_ref()))
        }
    })
}

fn reach(document: &Document, parts: &[&str], elements: bool) -> Vec<Option<Bson>> {
    let rest = &parts[1..];
    match document.get(parts[0]) {
        Some(Bson::Array(all)) if rest.is_empty() => {
            let mut found: Vec<_> = if elements { all.iter().cloned().map(Some).collect() } else { Vec::new() };
            found.push(Some(Bson::Array(all.clone())));
            found
        }
        Some(value) if rest.is_empty() => vec![Some(value.clone())],
        Some(Bson::Document(inner)) => reach(inner, rest, elements),
        Some(Bson::Array(all)) => through(all, rest, elements),
        _ => vec![None],
    }
}

fn through(all: &[Bson], rest: &[&str], elements: bool) -> Vec<Option<Bson>> {
    let mut found = Vec::new();
    for (place, element) in all.iter().enumerate() {
        if let Bson::Document(inner) = element {
            found.extend(reach(inner, rest, elements));
        }
        if rest[0] == place.to_string() {
            match element {
                element if rest.len() == 1 => found.push(Some(element.clone())),
                Bson::Document(inner) => found.extend(reach(inner, &rest[1..], elements)),
                Bson::Array(inner) => found.extend(through(inner, &rest[1..], elements)),
                _ => (),
            }
        }
    }
    found
}

fn kind(value: &Bson) -> u8 {
    order::key_of(value).unwrap()[0]
}

fn is_nan(value: &Bson) -> bool {
    matches!(value, Bson::Double(number) if number.is_nan()) || value.to_string() == "NaN"
}

/// One value by itself.
fn one(operator: &str, operand: &Bson, value: Option<&Bson>) -> bool {
    let equal = |operand: &Bson| match value {
        None => *operand == Bson::Null,
        Some(value) => order::key_of(value).unwrap() == order::key_of(operand).unwrap(),
    };
    let ordered = |wanted: Ordering| match (value, operand) {
        (_, Bson::MinKey) => wanted == Ordering::Greater && value != Some(&Bson::MinKey),
        (Some(value), operand) => {
            kind(value) == kind(operand)
                && !is_nan(value)
                && !is_nan(operand)
                && order::key_of(value).unwrap().cmp(&order::key_of(operand).unwrap()) == wanted
        }
        (None, _) => false,
    };
    match operator {
        "$eq" => equal(operand),
        "$gt" => ordered(Ordering::Greater),
        "$gte" => ordered(Ordering::Greater) || equal(operand),
        "$lt" => ordered(Ordering::Less),
        "$lte" => ordered(Ordering::Less) || equal(operand),
        "$in" => operand.as_array().unwrap().iter().any(equal),
        "$ne" => !equal(operand),
        "$nin" => !one("$in", operand, value),
        "$exists" => value.is_some() == operand.as_bool().unwrap(),
        "$size" => value.and_then(Bson::as_array).is_some_and(|all| Some(all.len() as i32) == operand.as_i32()),
        "$all" => {
            let all = operand.as_array().unwrap();
            !all.is_empty() && all.iter().all(equal)
        }
        "$type" => value.is_some_and(|value| has_type(value, operand.as_str().unwrap())),
        "$mod" => {
            let [divisor, remainder] = operand.as_array().unwrap().as_slice() else { panic!("two numbers") };
            let whole = match value {
                Some(Bson::Int32(number)) => f64::from(*number),
                Some(Bson::Int64(number)) => *number as f64,
                Some(Bson::Double(number)) => number.trunc(),
                Some(Bson::Decimal128(number)) => number.to_string().parse::<f64>().unwrap().trunc(),
                _ => return false,
            };
            let wanted = i64::from(remainder.as_i32().unwrap());
            !whole.is_nan() && whole as i64 % i64::from(divisor.as_i32().unwrap()) == wanted
        }
        "$regex" => value.and_then(Bson::as_str).is_some_and(|text| match operand.as_str().unwrap() {
            "^a" => text.starts_with('a'),
            "b" => text.contains('b'),
            _ => text == "a" || text == "ab",
        }),
        "$not" => !operand.as_document().unwrap().iter().all(|(operator, operand)| one(operator, operand, value)),
        "$elemMatch" => value.and_then(Bson::as_array).is_some_and(|all| {
            let wanted = operand.as_document().unwrap();
            all.iter().any(|element| match operators_in(operand) {
                Some(operators) => operators.iter().all(|(operator, operand)| one(operator, operand, Some(element))),
                None => match element {
                    Bson::Document(inner) => means(wanted, inner),
                    Bson::Array(inner) => {
                        let named = inner.iter().enumerate().map(|(place, value)| (place.to_string(), value.clone()));
                        means(wanted, &named.collect())
                    }
                    _ => false,
                },
            })
        }),
        other => panic!("{other}"),
    }
}

fn has_type(value: &Bson, name: &str) -> bool {
    match name {
        "number" => kind(value) == 10,
        "string" => matches!(value, Bson::String(_)),
        "array" => matches!(value, Bson::Array(_)),
        "object" => matches!(value, Bson::Document(_)),
        "null" => matches!(value, Bson::Null),
        _ => matches!(value, Bson::Int32(_)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn both_implementations_agree(filter in filter(), document in document()) {
        let first = Filter::parse(&filter).unwrap().matches(&super::raw(&document));
        prop_assert_eq!(first, means(&filter, &document), "{} {}", filter, document);
    }
}
