//! Random values of all types, from few, so that they meet.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, Regex, Timestamp, doc};
use outlast_test_servers::Chance;

/// Names of fields.
const NAMES: &[&str] = &["a", "b", "c"];

/// Names that are no words, rarely.
const ODD: &[&str] = &["a.b", "$x", "0", "", "é"];

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

/// A number.
pub(crate) fn number(chance: &mut Chance) -> Bson {
    match chance.below(10) {
        0..=3 => Bson::Int32(*chance.pick(&[0, 1, 2, 3, -1, 5])),
        4 => Bson::Int32(*chance.pick(&[i32::MAX, i32::MIN, 7, 100])),
        5 => Bson::Int64(*chance.pick(&[0, 1, 2, -1, 1 << 31, (1 << 53) + 1])),
        6 => Bson::Int64(*chance.pick(&[i64::MAX, i64::MIN, 3, -(1 << 53) - 1])),
        7 => Bson::Double(*chance.pick(&[0.0, -0.0, 1.0, 1.5, 2.0, -1.0, 0.1, 3.0])),
        8 => Bson::Double(*chance.pick(&[
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            9_007_199_254_740_992.0,
            9.3e18,
        ])),
        _ => decimal(chance.pick::<&str>(&[
            "0",
            "1",
            "1.0",
            "1.50",
            "0.1",
            "-0",
            "NaN",
            "Infinity",
            "-Infinity",
            "1E+3",
            "2",
            "-1",
            "9223372036854775807",
            "123456789012345678901234567890",
            "1E-6176",
            "9.999999999999999999999999999999999E+6144",
        ])),
    }
}

/// A value that is neither array nor document.
pub(crate) fn plain(chance: &mut Chance) -> Bson {
    match chance.below(20) {
        0..=8 => number(chance),
        9..=11 => Bson::String((*chance.pick(&["", "a", "b", "ab", "A", "a\nb", "é", "10", "abc"])).into()),
        12..=13 => Bson::Null,
        14 => Bson::Boolean(chance.percent(50)),
        15 => Bson::DateTime(DateTime::from_millis(*chance.pick(&[0, 1, -1, 86_400_000, 253_402_300_799_999]))),
        16 => {
            let mut bytes = [0; 12];
            bytes[11] = chance.below(3) as u8;
            Bson::ObjectId(ObjectId::from_bytes(bytes))
        }
        17 => Bson::Binary(Binary {
            subtype: *chance.pick(&[BinarySubtype::Generic, BinarySubtype::Uuid, BinarySubtype::UserDefined(0x80)]),
            bytes: chance.pick(&[vec![], vec![1], vec![1, 2], vec![0; 16]]).clone(),
        }),
        18 => match chance.below(3) {
            0 => Bson::RegularExpression(Regex { pattern: bson::cstr!("a").into(), options: bson::cstr!("").into() }),
            1 => Bson::Timestamp(Timestamp { time: chance.below(2) as u32 + 1, increment: chance.below(2) as u32 + 1 }),
            _ => Bson::JavaScriptCode("1".into()),
        },
        _ => chance.pick(&[Bson::MinKey, Bson::MaxKey, Bson::Int32(1), Bson::Null]).clone(),
    }
}

/// A value, nested at most so deep.
pub(crate) fn any(chance: &mut Chance, depth: usize) -> Bson {
    match chance.below(10) {
        0..=1 if depth > 0 => document(chance, depth - 1).into(),
        2..=4 if depth > 0 => array(chance, depth - 1).into(),
        _ => plain(chance),
    }
}

/// An array.
pub(crate) fn array(chance: &mut Chance, depth: usize) -> Vec<Bson> {
    let alike = chance.percent(50);
    (0..chance.below(4)).map(|_| if alike { small(chance) } else { any(chance, depth) }).collect()
}

/// A value that others are likely to have too.
pub(crate) fn small(chance: &mut Chance) -> Bson {
    match chance.below(8) {
        0..=4 => Bson::Int32(chance.below(4) as i32),
        5 => Bson::Double(chance.below(3) as f64),
        6 => Bson::String("a".into()),
        _ => doc! { "b": chance.below(3) as i32 }.into(),
    }
}

/// The name of a field.
pub(crate) fn name(chance: &mut Chance) -> &'static str {
    let names: &[&'static str] = if chance.percent(2) { ODD } else { NAMES };
    names[chance.below(names.len())]
}

/// A document without an `_id`.
pub(crate) fn document(chance: &mut Chance, depth: usize) -> Document {
    let mut document = Document::new();
    for _ in 0..chance.below(4) {
        document.insert(name(chance), if chance.percent(30) { small(chance) } else { any(chance, depth) });
    }
    document
}

/// A path into documents, or to their `_id`.
pub(crate) fn path(chance: &mut Chance) -> String {
    if chance.percent(8) { "_id".into() } else { path_in(chance) }
}

/// A path into documents.
pub(crate) fn path_in(chance: &mut Chance) -> String {
    let first = (*chance.pick(NAMES)).to_owned();
    match chance.below(11) {
        0..=5 => first,
        6..=7 => format!("{first}.{}", chance.pick(NAMES)),
        8 => format!("{first}.{}", chance.below(3)),
        9 => format!("{first}.{}.{}", chance.below(3), chance.pick(NAMES)),
        _ => format!("{first}.{}.{}", chance.pick(NAMES), chance.pick(&["a", "b", "0", "1"])),
    }
}
