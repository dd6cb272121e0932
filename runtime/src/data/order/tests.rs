//! Keys: values in MongoDB's order.

use bson::{Decimal128, bson, oid::ObjectId};

use super::*;

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

#[test]
fn keys_sort_as_mongodb_sorts_values() {
    let ascending = [
        Bson::MinKey,
        Bson::Null,
        Bson::Double(f64::NAN),
        Bson::Double(f64::NEG_INFINITY),
        Bson::Int64(i64::MIN),
        decimal("-1.5"),
        Bson::Int32(-1),
        Bson::Double(-0.5),
        Bson::Int32(0),
        Bson::Double(f64::MIN_POSITIVE),
        decimal("0.1"),
        Bson::Double(0.100_000_1),
        Bson::Int32(1),
        Bson::Double(1.5),
        Bson::Int64(1 << 53),
        Bson::Int64((1 << 53) + 1),
        Bson::Int64((1 << 53) + 2),
        Bson::Int64(i64::MAX - 1),
        Bson::Int64(i64::MAX),
        Bson::Double(9_223_372_036_854_775_808.0),
        Bson::Double(f64::INFINITY),
        Bson::String(String::new()),
        Bson::String("a".into()),
        Bson::String("a\0".into()),
        Bson::String("a\0b".into()),
        Bson::String("aa".into()),
        Bson::String("b".into()),
        bson!({}),
        bson!({ "a": 1 }),
        bson!({ "a": 1, "b": 1 }),
        bson!({ "a": 2 }),
        bson!({ "b": 1 }),
        bson!({ "a": "x" }),
        bson!([]),
        bson!([1]),
        bson!([1, 2]),
        bson!([2]),
        Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![9] }),
        Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 1] }),
        Bson::ObjectId(ObjectId::from_bytes([1; 12])),
        Bson::ObjectId(ObjectId::from_bytes([2; 12])),
        Bson::Boolean(false),
        Bson::Boolean(true),
        Bson::DateTime(bson::DateTime::from_millis(-1)),
        Bson::DateTime(bson::DateTime::from_millis(1)),
        Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }),
        Bson::MaxKey,
    ];
    for pair in ascending.windows(2) {
        assert!(key_of(&pair[0]).unwrap() < key_of(&pair[1]).unwrap(), "{} should sort before {}", pair[0], pair[1]);
    }
}

#[test]
fn equal_numbers_have_equal_keys() {
    for equal in [
        vec![Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0), decimal("1"), decimal("1.00"), decimal("10E-1")],
        vec![Bson::Int32(0), Bson::Double(-0.0), decimal("0"), decimal("-0"), decimal("0E+10")],
        vec![Bson::Double(0.5), decimal("0.5"), decimal("0.50")],
        vec![Bson::Double(f64::NAN), decimal("NaN")],
        vec![Bson::Double(f64::INFINITY), decimal("Infinity")],
        vec![Bson::Int64(i64::MAX), decimal("9223372036854775807")],
        vec![decimal("0.1"), decimal("1E-1"), decimal("0.10")],
    ] {
        for value in &equal {
            assert_eq!(key_of(value).unwrap(), key_of(&equal[0]).unwrap(), "{value}");
        }
    }
    assert_ne!(key_of(&decimal("0.1")).unwrap(), key_of(&Bson::Double(0.1)).unwrap());
    assert_ne!(key_of(&Bson::Int64((1 << 53) + 1)).unwrap(), key_of(&Bson::Double(9_007_199_254_740_992.0)).unwrap());
}

#[test]
fn decimals_are_ordered_exactly() {
    let ascending = [
        Bson::Double(f64::NEG_INFINITY),
        decimal("-1E+400"),
        Bson::Double(f64::MIN),
        decimal("-1000000000000000000000000000000.1"),
        decimal("-9007199254740993.5"),
        Bson::Int64(-9_007_199_254_740_993),
        decimal("-0.3000000000000000000000000000000002"),
        decimal("-0.3"),
        decimal("-1E-6000"),
        decimal("0"),
        decimal("1E-6000"),
        Bson::Double(5e-324),
        decimal("0.1"),
        Bson::Double(0.1),
        decimal("0.1000000000000000055511151231257828"),
        decimal("0.3000000000000000000000000000000001"),
        decimal("0.3000000000000000000000000000000002"),
        Bson::Int64(9_007_199_254_740_993),
        decimal("9007199254740993.5"),
        Bson::Int64(9_007_199_254_740_994),
        decimal("9223372036854775807.5"),
        Bson::Double(9_223_372_036_854_775_808.0),
        decimal("9223372036854775808.5"),
        decimal("1E+30"),
        Bson::Double(1e30),
        decimal("1000000000000000019884624838657"),
        Bson::Double(f64::MAX),
        decimal("1E+400"),
        decimal("1.1E+400"),
        Bson::Double(f64::INFINITY),
    ];
    for pair in ascending.windows(2) {
        assert!(key_of(&pair[0]).unwrap() < key_of(&pair[1]).unwrap(), "{} should sort before {}", pair[0], pair[1]);
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::data::filter::tests::value;

    fn number() -> impl Strategy<Value = Bson> {
        prop_oneof![
            any::<i32>().prop_map(Bson::from),
            any::<i64>().prop_map(Bson::from),
            any::<f64>().prop_map(Bson::from),
            (-100_000_i64..100_000, -8_i32..8).prop_map(|(digits, exponent)| decimal(&format!("{digits}E{exponent}"))),
            (any::<i64>(), -40_i32..40).prop_map(|(digits, exponent)| decimal(&format!("{digits}E{exponent}"))),
            (-20_i64..20).prop_map(|near| Bson::Int64((1 << 53) + near)),
            (-20_i64..20).prop_map(|near| decimal(&format!("{}.5", (1_i64 << 53) + near))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_key_is_the_beginning_of_no_other(left in value(), right in value()) {
            let (left, right) = (key_of(&left).unwrap(), key_of(&right).unwrap());
            prop_assert!(left == right || !right.starts_with(&left));
        }

        #[test]
        fn comparing_values_is_comparing_keys(left in value(), right in value()) {
            let (own, other) = (raw(&left).unwrap(), raw(&right).unwrap());
            let compared = compare(own.as_raw_bson_ref(), other.as_raw_bson_ref());
            prop_assert_eq!(compared, key_of(&left).unwrap().cmp(&key_of(&right).unwrap()));
        }

        #[test]
        fn descending_keys_sort_the_other_way(left in value(), right in value()) {
            let down = |value: &Bson| {
                let mut whole = Vec::new();
                Direction::Descending.put(&key_of(value).unwrap(), &mut whole);
                whole
            };
            prop_assert_eq!(down(&left).cmp(&down(&right)), key_of(&right).unwrap().cmp(&key_of(&left).unwrap()));
        }

        #[test]
        fn integers_and_decimals_sort_as_their_digits_do(left in any::<i64>(), right in any::<i64>()) {
            let expected = left.cmp(&right);
            let tenths = |number: i64| decimal(&format!("{number}.1"));
            let key = |value: Bson| key_of(&value).unwrap();
            prop_assert_eq!(key(left.into()).cmp(&key(right.into())), expected);
            prop_assert_eq!(key(decimal(&left.to_string())).cmp(&key(right.into())), expected);
            if left >= 0 && right >= 0 {
                prop_assert_eq!(key(tenths(left)).cmp(&key(tenths(right))), expected);
                prop_assert_eq!(key(tenths(left)).cmp(&key(right.into())), expected.then(Ordering::Greater));
            }
        }

        #[test]
        fn numbers_sort_as_doubles_do_where_those_differ(left in number(), right in number()) {
            let double = |value: &Bson| match value {
                Bson::Double(number) => *number,
                other => other.to_string().parse::<f64>().unwrap(),
            };
            if let Some(order) = double(&left).partial_cmp(&double(&right)).filter(|order| order.is_ne()) {
                prop_assert_eq!(key_of(&left).unwrap().cmp(&key_of(&right).unwrap()), order, "{} {}", left, right);
            }
        }
    }
}
