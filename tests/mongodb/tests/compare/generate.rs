//! Random cases: what the embedded store offers, and some of what came refuse.

use bson::{Bson, Document, doc};
use outlast_test_servers::Chance;

use super::case::Case;
use super::values::{any, array, document, number, path, path_in, plain, small};

/// Documents and an operation.
pub(crate) fn case(chance: &mut Chance) -> Case {
    let operation = operation(chance);
    let arrays = arrays(&operation);
    let count = 1 + chance.below(5);
    let documents: Vec<Bson> = (0..count)
        .map(|id| {
            let mut whole = doc! { "_id": id as i32 };
            whole.extend(document(chance, 3).into_iter().filter(|(name, _)| !name.is_empty()));
            for name in &arrays {
                whole.insert(*name, array(chance, 2));
            }
            whole.into()
        })
        .collect();
    Case(doc! { "documents": documents, "operation": operation })
}

/// The fields that an update takes for arrays: mostly they are to be some.
fn arrays(operation: &Document) -> Vec<&str> {
    let update = operation.get_document("update").into_iter().flatten();
    let paths = update.filter_map(|(_, fields)| fields.as_document()).flat_map(Document::keys);
    paths.filter(|path| path.contains(".$")).filter_map(|path| path.split('.').next()).collect()
}

fn operation(chance: &mut Chance) -> Document {
    let mut filter = filter(chance, 2);
    match chance.below(20) {
        0..=8 => {
            let mut find = doc! { "name": "find", "filter": filter };
            if chance.percent(40) {
                find.insert("sort", sort(chance));
                if chance.percent(30) {
                    find.insert("skip", chance.below(3) as i32);
                    find.insert("limit", chance.below(4) as i32);
                }
            }
            if chance.percent(30) {
                find.insert("projection", projection(chance));
            }
            find
        }
        9 => doc! { "name": "countDocuments", "filter": filter },
        10 => doc! { "name": "distinct", "filter": filter, "field": path(chance) },
        11 => doc! { "name": *chance.pick(&["deleteOne", "deleteMany", "findOneAndDelete"]), "filter": filter },
        12 => {
            let name = *chance.pick(&["replaceOne", "findOneAndReplace"]);
            let upsert = chance.percent(20);
            doc! { "name": name, "filter": filter, "replacement": document(chance, 2), "upsert": upsert }
        }
        _ => {
            // Most updates are to find something.
            if chance.percent(60) {
                filter = Document::new();
            }
            let (update, filters) = update(chance, &mut filter);
            let name = *chance.pick(&["updateOne", "updateMany", "findOneAndUpdate"]);
            let mut whole = doc! { "name": name, "filter": filter, "update": update };
            if !filters.is_empty() {
                whole.insert("arrayFilters", filters);
            }
            if chance.percent(20) {
                whole.insert("upsert", true);
            }
            if name == "findOneAndUpdate" {
                whole.insert("after", chance.percent(50));
                if chance.percent(20) {
                    whole.insert("projection", projection(chance));
                }
                if chance.percent(20) {
                    whole.insert("sort", sort(chance));
                }
            }
            whole
        }
    }
}

fn sort(chance: &mut Chance) -> Document {
    let mut sort = Document::new();
    for _ in 0..=chance.below(2) {
        let direction = *chance.pick(&[1, -1]);
        sort.insert(path(chance), direction);
    }
    sort
}

fn projection(chance: &mut Chance) -> Document {
    let mut projection = Document::new();
    let keeps = chance.percent(60);
    for _ in 0..=chance.below(2) {
        let (name, plain) = (path_in(chance), (*chance.pick(&["a", "b", "c"])).to_owned());
        let (path, what): (String, Bson) = match chance.below(10) {
            0 => (plain, doc! { "$slice": *chance.pick(&[1, -1, 2, 0]) }.into()),
            1 => (plain, doc! { "$slice": [*chance.pick(&[1, -1, 0, -5, 5]), 1 + chance.below(2) as i32] }.into()),
            2 => (plain, doc! { "$elemMatch": condition(chance, 0) }.into()),
            3 if keeps => (name, true.into()),
            _ => (name, i32::from(keeps).into()),
        };
        projection.insert(path, what);
    }
    if chance.percent(20) {
        projection.insert("_id", chance.below(2) as i32);
    }
    projection
}

/// A filter.
pub(crate) fn filter(chance: &mut Chance, depth: usize) -> Document {
    let mut filter = Document::new();
    for _ in 0..chance.below(3) {
        match chance.below(12) {
            0 if depth > 0 => {
                let name = *chance.pick(&["$and", "$or", "$nor"]);
                let parts: Vec<_> = (0..=chance.below(2)).map(|_| self::filter(chance, depth - 1)).collect();
                filter.insert(name, parts);
            }
            1 if depth == 2 => drop(filter.insert("$expr", expression(chance, 2))),
            2..=4 => drop(filter.insert(path(chance), operand(chance))),
            _ => drop(filter.insert(path(chance), condition(chance, depth))),
        }
    }
    filter
}

fn operand(chance: &mut Chance) -> Bson {
    if chance.percent(50) { small(chance) } else { any(chance, 2) }
}

/// Operators on a value.
fn condition(chance: &mut Chance, depth: usize) -> Document {
    let mut condition = Document::new();
    for _ in 0..=chance.below(2) {
        let (name, value): (&str, Bson) = match chance.below(16) {
            0..=6 => (*chance.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), no_regex(operand(chance))),
            7 => {
                let values: Vec<_> = (0..chance.below(3)).map(|_| operand(chance)).collect();
                (*chance.pick(&["$in", "$nin", "$all"]), values.into())
            }
            8 => (
                "$exists",
                (*chance.pick(&[Bson::Boolean(true), Bson::Boolean(false), Bson::Int32(0), Bson::Null])).clone(),
            ),
            9 => ("$type", type_of(chance)),
            10 => ("$size", Bson::Int32(chance.below(4) as i32)),
            11 => ("$mod", vec![divisor(chance), divisor(chance)].into()),
            12 => ("$regex", (*chance.pick(&["a", "^a", "b$", "A", "^a.b", ".", "^$", "[0-9]+"])).into()),
            13 if depth > 0 => ("$not", self::condition(chance, depth - 1).into()),
            14 if depth > 0 => ("$elemMatch", self::condition(chance, depth - 1).into()),
            15 if depth > 0 => ("$elemMatch", filter(chance, depth - 1).into()),
            _ => ("$gte", number(chance)),
        };
        condition.insert(name, value);
    }
    if condition.contains_key("$regex") && chance.percent(40) {
        condition.insert("$options", *chance.pick(&["i", "s", "m", "x", "is"]));
    }
    condition
}

/// Regular expressions have no place in an order; both stores say so where they read them.
fn no_regex(value: Bson) -> Bson {
    if let Bson::RegularExpression(_) = value { Bson::Int32(1) } else { value }
}

/// The embedded store doesn't count with these, and says so.
fn no_decimal(value: Bson) -> Bson {
    if let Bson::Decimal128(_) = value { Bson::Int32(1) } else { value }
}

fn divisor(chance: &mut Chance) -> Bson {
    let half = Bson::Double(2.5);
    chance.pick(&[Bson::Int32(2), Bson::Int32(3), Bson::Int64(-2), Bson::Double(4.0), half, Bson::Int32(1)]).clone()
}

fn type_of(chance: &mut Chance) -> Bson {
    match chance.below(3) {
        0 => Bson::Int32(*chance.pick(&[1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 16, 17, 18, 19, -1, 127])),
        1 => (*chance
            .pick(&["number", "int", "long", "double", "decimal", "string", "object", "array", "null", "bool"]))
        .into(),
        _ => {
            vec![Bson::from(*chance.pick(&["date", "objectId", "binData", "regex", "minKey"])), Bson::Int32(16)].into()
        }
    }
}

fn expression(chance: &mut Chance, depth: usize) -> Bson {
    let inner = |chance: &mut Chance| expression(chance, depth - 1);
    match chance.below(14) {
        0..=2 => format!("${}", path(chance)).into(),
        3..=4 => small(chance),
        5 => doc! { "$literal": any(chance, 1) }.into(),
        6..=8 if depth > 0 => {
            let name = *chance.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]);
            doc! { name: [inner(chance), inner(chance)] }.into()
        }
        9 if depth > 0 => {
            let name = *chance.pick(&["$and", "$or"]);
            doc! { name: [inner(chance), inner(chance)] }.into()
        }
        10 if depth > 0 => doc! { "$not": [inner(chance)] }.into(),
        11 if depth > 0 => doc! { "$cond": [inner(chance), inner(chance), inner(chance)] }.into(),
        12 if depth > 0 => doc! { "$ifNull": [inner(chance), inner(chance)] }.into(),
        13 if depth > 0 => doc! { "x": inner(chance) }.into(),
        _ => plain(chance),
    }
}

/// A place that an update changes; a filter that it needs, or array filters.
fn target(chance: &mut Chance, filter: &mut Document, filters: &mut Vec<Document>) -> String {
    let place = if chance.percent(70) { (*chance.pick(&["a", "b", "c"])).to_owned() } else { path_in(chance) };
    let of_document = |place: String, chance: &mut Chance| if chance.percent(5) { "_id".to_owned() } else { place };
    match chance.below(20) {
        0 => {
            filter.insert(place.clone(), condition(chance, 1));
            format!("{place}.$")
        }
        1 => {
            filter.insert(format!("{place}.b"), small(chance));
            format!("{place}.$.b")
        }
        2 => format!("{place}.$[]"),
        3 => format!("{place}.$[].b"),
        4 => {
            if filters.is_empty() {
                filters.push(doc! { "e": condition(chance, 1) });
            }
            format!("{place}.$[e]")
        }
        5 => {
            if filters.is_empty() {
                filters.push(doc! { "e.b": condition(chance, 1) });
            }
            format!("{place}.$[e].c")
        }
        _ => of_document(place, chance),
    }
}

fn update(chance: &mut Chance, filter: &mut Document) -> (Bson, Vec<Document>) {
    if chance.percent(10) {
        return (pipeline(chance), Vec::new());
    }
    let (mut update, mut filters) = (Document::new(), Vec::new());
    for _ in 0..=chance.below(2) {
        let (name, operand) = operator(chance);
        let place = if name == "$rename" { path(chance) } else { target(chance, filter, &mut filters) };
        let mut fields = update.get_document(name).cloned().unwrap_or_default();
        fields.insert(place, operand);
        update.insert(name, fields);
    }
    (update.into(), filters)
}

fn operator(chance: &mut Chance) -> (&'static str, Bson) {
    match chance.below(19) {
        0..=2 => ("$set", any(chance, 2)),
        3 => ("$unset", "".into()),
        4..=5 => ("$inc", no_decimal(number(chance))),
        6..=7 => ("$mul", no_decimal(number(chance))),
        8 => ("$min", any(chance, 1)),
        9 => ("$max", any(chance, 1)),
        10 => ("$currentDate", chance.pick(&[Bson::Boolean(true), doc! { "$type": "date" }.into()]).clone()),
        11 => {
            let name = *chance.pick(&["and", "or", "xor"]);
            let number = chance.pick(&[Bson::Int32(1), Bson::Int32(6), Bson::Int64(5), Bson::Int32(-1)]).clone();
            ("$bit", doc! { name: number }.into())
        }
        12 => ("$push", operand(chance)),
        13 => {
            let mut push = doc! { "$each": array(chance, 1) };
            if chance.percent(40) {
                push.insert("$position", *chance.pick(&[0, 1, -1, 9]));
            }
            if chance.percent(40) {
                push.insert("$slice", *chance.pick(&[0, 1, -1, 2, -2]));
            }
            if chance.percent(40) {
                let by: Bson = chance.pick(&[Bson::Int32(1), Bson::Int32(-1), doc! { "b": 1 }.into()]).clone();
                push.insert("$sort", by);
            }
            ("$push", push.into())
        }
        14 => ("$addToSet", operand(chance)),
        15 => ("$addToSet", doc! { "$each": array(chance, 1) }.into()),
        16 => {
            let what = match chance.below(3) {
                0 => operand(chance),
                1 => condition(chance, 1).into(),
                _ => self::filter(chance, 1).into(),
            };
            ("$pull", what)
        }
        17 => ("$pullAll", array(chance, 1).into()),
        _ => match chance.below(3) {
            0 => ("$pop", (*chance.pick(&[1, -1])).into()),
            1 => ("$rename", path(chance).into()),
            _ => ("$setOnInsert", operand(chance)),
        },
    }
}

fn pipeline(chance: &mut Chance) -> Bson {
    let stage = |chance: &mut Chance| match chance.below(5) {
        0..=1 => doc! { "$set": { path(chance): expression(chance, 2) } },
        2 => doc! { "$unset": path(chance) },
        3 => doc! { "$replaceWith": { "x": expression(chance, 1) } },
        _ => doc! { "$project": projection_of_names(chance) },
    };
    (0..=chance.below(2)).map(|_| stage(chance)).collect::<Vec<_>>().into()
}

fn projection_of_names(chance: &mut Chance) -> Document {
    let keeps = i32::from(chance.percent(50));
    (0..=chance.below(2)).map(|_| (path_in(chance), Bson::Int32(keeps))).collect()
}
