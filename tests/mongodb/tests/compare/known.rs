//! Where the two are known to differ, each difference by the least case that shows it. The page is `docs/differences.md`.

use bson::{Bson, Document};

use super::case::{Both, Came, Case, same};

/// A difference that is known.
struct Rule {
    name: &'static str,
    /// Whether the case shows this difference and no other.
    is_it: fn(&Case, &Both) -> bool,
}

/// The rule of a difference whose errors say which it is, before anything is shrunk.
pub(crate) fn by_errors(case: &Case, both: &Both, stand_in: bool) -> Option<&'static str> {
    let own = EMBEDDED.iter().find(|rule| (rule.is_it)(case, both));
    let theirs = || STAND_IN_ERRORS.iter().find(|rule| stand_in && (rule.is_it)(case, both));
    own.or_else(theirs).map(|rule| rule.name)
}

/// The rule of a difference in its least case.
pub(crate) fn rule(case: &Case, both: &Both, stand_in: bool) -> Option<&'static str> {
    let theirs = || STAND_IN.iter().find(|rule| stand_in && (rule.is_it)(case, both)).map(|rule| rule.name);
    by_errors(case, both, stand_in).or_else(theirs)
}

/// What the embedded store doesn't do as MongoDB.
const EMBEDDED: &[Rule] = &[
    Rule { name: "the embedded store doesn't count with Decimal128", is_it: decimal },
    Rule { name: "the embedded store keeps the type of a number that is an _id", is_it: type_of_id },
];

/// What the stand-in does otherwise than MongoDB, where the errors say so.
const STAND_IN_ERRORS: &[Rule] = &[
    Rule { name: "array updates where no array is", is_it: no_array },
    Rule { name: "$ without a match where nothing is", is_it: no_match },
    Rule { name: "fields of an array's element that is no document", is_it: no_document },
    Rule { name: "$pull and $pop where no array can be", is_it: take_away },
    Rule { name: "two changes of one place", is_it: conflict },
    Rule { name: "an update is read where a document matches", is_it: read_late },
    Rule { name: "which of two errors comes first", is_it: two_errors },
    Rule { name: "two values of a path in an upsert", is_it: two_values },
    Rule { name: "projections that collide", is_it: collision },
    Rule { name: "a document with a field $… in $in", is_it: dollar_in_values },
    Rule { name: "an unknown operator in a value", is_it: unknown },
    Rule { name: "sorting by two arrays of which one is empty", is_it: parallel },
    Rule { name: "an _id that is an array", is_it: array_as_id },
    Rule { name: "$ of a document found by order, or of an array in an array", is_it: match_by_order },
    Rule { name: "$and, $or and $nor in $elemMatch", is_it: logic_of_element },
    Rule { name: "$and, $or and $nor in $pull", is_it: logic_of_pull },
];

/// What it does otherwise, where the least case shows it.
const STAND_IN: &[Rule] = &[
    Rule { name: "the order of new fields", is_it: order_of_fields },
    Rule { name: "fields of what is no document, in a pipeline", is_it: dotted_set },
    Rule { name: "$bit of 64 bits where nothing is", is_it: bit },
    Rule { name: "an expression's path through an empty array", is_it: empty_array },
    Rule { name: "a number in a filter's path beyond an array's end", is_it: beyond },
    Rule { name: "distinct values of fields in arrays, decimals and truths", is_it: distinct },
    Rule { name: "$push that sorts values by a field", is_it: sorted_push },
    Rule { name: "$in of one value and regular expressions in an upsert", is_it: in_of_one },
    Rule { name: "$rename of nothing, or through arrays", is_it: rename },
    Rule { name: "which zero $inc and $mul give", is_it: zeros },
    Rule { name: "$mod of decimals, or with a fraction", is_it: remainder },
    Rule { name: "$all of null", is_it: all_of_null },
    Rule { name: "a number in a pipeline's path", is_it: numbered_stage },
    Rule { name: "sorting by a field of elements that have none", is_it: sorted_elements },
    Rule { name: "$elemMatch on arrays in an array", is_it: array_as_element },
    Rule { name: "an array as a condition", is_it: array_as_condition },
    Rule { name: "false and 0 in $pullAll", is_it: truths_of_pull },
    Rule { name: "$inc and $mul of what is no number and stays so", is_it: not_a_number },
    Rule { name: "$elemMatch beside $slice", is_it: element_and_slice },
    Rule { name: "which element $ means, of several conditions: MongoDB doesn't say", is_it: several_conditions },
];

/// The fields that an update by operators changes.
fn changes(case: &Case) -> Vec<(String, String)> {
    let update = case.operation().get_document("update");
    let fields = update.into_iter().flatten().filter_map(|(name, fields)| Some((name, fields.as_document()?)));
    fields.flat_map(|(name, fields)| fields.keys().map(move |path| (name.clone(), path.clone()))).collect()
}

fn stages(case: &Case) -> Vec<&Document> {
    case.operation().get_array("update").into_iter().flatten().filter_map(Bson::as_document).collect()
}

fn decimal(_: &Case, both: &Both) -> bool {
    let words = both.embedded.words();
    words.contains("doesn't offer") && words.contains("with a Decimal128")
}

/// 0 and 0.0 are equal, and yet another `_id`.
fn type_of_id(_: &Case, both: &Both) -> bool {
    both.embedded.code() == Some(66) && both.mongo.code().is_none()
}

/// "The path … must exist in the document in order to apply array updates": the stand-in changes nothing instead.
fn no_array(case: &Case, both: &Both) -> bool {
    let has_array = changes(case).iter().any(|(_, path)| path.contains(".$["));
    has_array && both.embedded.words().contains("needs an array there") && both.mongo.code() != Some(2)
}

/// "The positional operator did not find the match needed from the query", whether the path is there or not.
fn no_match(_: &Case, both: &Both) -> bool {
    both.embedded.words().contains("no match to stand for") && both.mongo.code() != Some(2)
}

/// "Cannot create field … in element": the stand-in passes over elements that have no fields.
fn no_document(case: &Case, both: &Both) -> bool {
    let inside = changes(case).iter().any(|(_, path)| path.contains("].") || path.contains(".$"));
    inside && both.embedded.code() == Some(28) && both.mongo.code().is_none()
}

/// "Cannot create field … in element": of these too.
fn take_away(case: &Case, both: &Both) -> bool {
    let taking = |name: &str| matches!(name, "$pull" | "$pullAll" | "$pop");
    let any = changes(case).iter().any(|(name, _)| taking(name));
    any && both.embedded.code() == Some(28) && both.mongo.code() != Some(28)
}

/// Fields are made in the order of their names: by the stand-in in that of the operators.
fn order_of_fields(case: &Case, both: &Both) -> bool {
    let several = changes(case).len() > 1
        || case.operation().get_array("update").is_ok()
        || case.operation().contains_key("upsert");
    match (&both.embedded, &both.mongo) {
        (Came::Answer { answer, after }, Came::Answer { answer: other, after: other_after }) if several => {
            same(&sorted(answer), &sorted(other)) && same(&sorted(after), &sorted(other_after))
        }
        _ => false,
    }
}

fn sorted(value: &Bson) -> Bson {
    match value {
        Bson::Document(inner) => {
            let fields: std::collections::BTreeMap<_, _> =
                inner.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.into_iter().collect::<Document>().into()
        }
        Bson::Array(elements) => elements.iter().map(sorted).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

/// Conflicts are seen when the update is read.
fn conflict(_: &Case, both: &Both) -> bool {
    both.embedded.code() == Some(40) && both.mongo.code() != Some(40)
}

/// An update that can't be is refused; by the stand-in once a document matches.
fn read_late(_: &Case, both: &Both) -> bool {
    let matched_none = match &both.mongo {
        Came::Answer { answer: Bson::Null, .. } => true,
        Came::Answer { answer: Bson::Document(done), .. } => {
            done.get("matched") == Some(&Bson::Int64(0)) && done.get("upserted") == Some(&Bson::Null)
        }
        _ => false,
    };
    matched_none && matches!(both.embedded.code(), Some(2 | 9 | 14 | 52))
}

/// Of two changes that can't be made, the first by name is named.
fn two_errors(case: &Case, both: &Both) -> bool {
    let errors = (both.embedded.code(), both.mongo.code());
    let changes = changes(case);
    let several = changes.len() > 1
        || stages(case).len() > 1
        || changes.iter().any(|(_, path)| path.contains(".$["))
        || case.operation().contains_key("projection");
    several && errors.0.is_some() && errors.1.is_some()
}

/// `{ "$set": { "a.b": … } }` makes a document of what is none, and goes through arrays.
fn dotted_set(case: &Case, both: &Both) -> bool {
    let dotted =
        |stage: &&Document| stage.get_document("$set").is_ok_and(|fields| fields.keys().any(|path| path.contains('.')));
    stages(case).iter().any(dotted) && both.kind() == "answered"
}

/// 0 and a 64-bit number give 64 bits.
fn bit(case: &Case, both: &Both) -> bool {
    let has_bit = changes(case).iter().any(|(name, _)| name == "$bit");
    has_bit && case.to_string().contains("_i64") && both.kind() == "answered"
}

/// Two equalities of which one's path begins the other's can't be.
fn two_values(_: &Case, both: &Both) -> bool {
    both.embedded.code() == Some(54) && both.mongo.code() != Some(54)
}

/// A document of values may have such a field, if not as its first: the stand-in takes it for an operator.
fn dollar_in_values(_: &Case, both: &Both) -> bool {
    both.mongo.words().contains("cannot nest $ under $in") && both.embedded.code().is_none()
}

/// Through an empty array there is an empty array.
fn empty_array(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    (text.contains("\"$expr\"") || !stages(case).is_empty()) && text.contains(": []") && both.embedded.code().is_none()
}

/// In `$project`, and of what is given back, the stand-in lets a field and one in it be named.
fn collision(_: &Case, both: &Both) -> bool {
    matches!(both.embedded.code(), Some(31_249 | 31_250 | 31_253 | 31_254)) && both.mongo.code().is_none()
}

/// There is nothing: not even null.
fn beyond(case: &Case, both: &Both) -> bool {
    let text = case.operation().get_document("filter").map(ToString::to_string).unwrap_or_default();
    let numbered = [".0", ".1", ".2"].iter().any(|number| text.contains(number));
    numbered && case.to_string().contains('[') && both.kind() == "answered"
}

/// The stand-in doesn't know these everywhere.
fn knows_no_logic(both: &Both) -> bool {
    let words = both.mongo.words();
    ["$and", "$or", "$nor"].iter().any(|name| words.contains(&format!("unknown operator: {name}")))
}

fn logic_of_element(case: &Case, both: &Both) -> bool {
    knows_no_logic(both) && case.to_string().contains("$elemMatch") && both.embedded.code().is_none()
}

/// Such a condition is for elements that are documents.
fn logic_of_pull(case: &Case, both: &Both) -> bool {
    knows_no_logic(both) && changes(case).iter().any(|(name, _)| name == "$pull") && both.embedded.code().is_none()
}

/// Every array is true: that of a path through an array of what has no fields, too.
fn array_as_condition(case: &Case, both: &Both) -> bool {
    let path = case.operation().get_document("filter").is_ok_and(|filter| filter.get_str("$expr").is_ok());
    path && case.to_string().contains('[') && both.mongo.code().is_none()
}

/// A truth is no number.
fn truths_of_pull(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    let truth = text.contains("false") || text.contains("true");
    truth && changes(case).iter().any(|(name, _)| name == "$pullAll") && both.kind() == "answered"
}

/// Whether NaN that stays NaN is a change, no page says.
fn not_a_number(case: &Case, both: &Both) -> bool {
    let counts = changes(case).iter().any(|(name, _)| name == "$inc" || name == "$mul");
    counts && case.to_string().contains("NaN") && both.kind() == "answered"
}

/// What an element is chosen of stands behind the other fields.
fn element_and_slice(case: &Case, both: &Both) -> bool {
    let text = case.operation().get_document("projection").map(ToString::to_string).unwrap_or_default();
    text.contains("$elemMatch") && text.contains("$slice") && both.kind() == "answered"
}

/// Refused when the filter is read: the stand-in takes it for a value.
fn unknown(_: &Case, both: &Both) -> bool {
    let words = both.embedded.words();
    let refused = words.contains("unknown operator $x") || words.contains("$all can't have operators in its array");
    refused && both.mongo.code().is_none()
}

fn parallel(case: &Case, both: &Both) -> bool {
    let empty = case.to_string().contains("[]");
    empty && both.embedded.words().contains("two arrays beside each other") && both.mongo.code() != Some(171)
}

/// Elements that are documents are looked into; 1 is the decimal 1, and isn't true.
fn distinct(case: &Case, both: &Both) -> bool {
    let dotted = case.operation().get_str("field").is_ok_and(|field| field.contains('.'));
    let text = case.to_string();
    let alike = ["_decimal", ": true", ": false", "[true", "[false", ", true", ", false"]
        .iter()
        .any(|value| text.contains(value));
    case.name() == "distinct" && (dotted || alike) && both.kind() == "answered"
}

/// What has no fields has none of these: it stays where it is among its like.
fn sorted_push(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    text.contains("\"$push\"") && text.contains("\"$sort\": {") && both.kind() == "answered"
}

fn array_as_id(_: &Case, both: &Both) -> bool {
    both.embedded.code() == Some(53) && both.mongo.code().is_none()
}

/// Where nothing is renamed, nothing is changed; a renaming can't go through an array, whatever it finds there.
fn rename(case: &Case, both: &Both) -> bool {
    let to_id = both.mongo.code() == Some(66);
    changes(case).iter().any(|(name, _)| name == "$rename") && (to_id || matches!(both.embedded.code(), Some(2 | 28)))
}

/// The field is what it is incremented by; 0.0 times -1 is -0.0, which MongoDB may take for no change.
fn zeros(case: &Case, both: &Both) -> bool {
    let counts = changes(case).iter().any(|(name, _)| name == "$inc" || name == "$mul");
    counts && case.to_string().contains("0.0_f64") && both.kind() == "answered"
}

/// A fraction is cut off, a decimal counts to its last digit, and a number too large has no remainder.
fn remainder(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    let refused = both.mongo.code().is_some() && !both.mongo.words().contains("internal server error");
    text.contains("\"$mod\"") && ["2.5_f64", "_decimal"].iter().any(|number| text.contains(number)) && !refused
}

/// There it is the name of a field: never an element's number.
fn numbered_stage(case: &Case, both: &Both) -> bool {
    let text = format!("{:?}", stages(case));
    [".0", ".1", ".2"].iter().any(|number| text.contains(number)) && both.kind() == "answered"
}

/// The element that matched is known, whatever the order and whatever it is.
fn match_by_order(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    let nested = text.contains("[[") || text.contains(", [");
    (case.name() == "findOneAndUpdate" || nested)
        && both.mongo.words().contains("The positional operator did not find the match")
        && !both.embedded.words().contains("no match")
}

/// They count as null.
fn sorted_elements(case: &Case, both: &Both) -> bool {
    let dotted = case.operation().get_document("sort").is_ok_and(|sort| sort.keys().any(|path| path.contains('.')));
    dotted && case.to_string().contains('[') && both.kind() == "answered"
}

/// An array is a document to it, of fields that are numbers.
fn array_as_element(case: &Case, both: &Both) -> bool {
    let text = case.to_string();
    text.contains("\"$elemMatch\"") && (text.contains("[[") || text.contains(", [")) && both.embedded.code().is_none()
}

/// "The positional $ … may not behave as expected" where a filter says several things of the array.
fn several_conditions(case: &Case, _: &Both) -> bool {
    let text = case.operation().get_document("filter").map(ToString::to_string).unwrap_or_default();
    let conditions = text.matches(": ").count();
    changes(case).iter().any(|(_, path)| path.contains(".$")) && conditions > 2
}

/// Comparisons of a filter aren't taken into the new document: equalities are.
fn in_of_one(case: &Case, both: &Both) -> bool {
    let text = case.operation().get_document("filter").map(ToString::to_string).unwrap_or_default();
    (text.contains("$in") || text.contains(": /"))
        && case.operation().contains_key("upsert")
        && both.embedded.code().is_none()
}

/// "Equivalent to an $and": what is missing is null to it.
fn all_of_null(case: &Case, both: &Both) -> bool {
    case.to_string().contains("\"$all\": [null]") && both.kind() == "answered"
}

#[test]
fn each_known_difference_stands_in_the_docs() {
    let page = include_str!("../../../../docs/differences.md");
    for rule in EMBEDDED.iter().chain(STAND_IN_ERRORS).chain(STAND_IN) {
        assert!(page.contains(&format!("| {} |", rule.name)), "docs/differences.md has no line {:?}", rule.name);
    }
}
