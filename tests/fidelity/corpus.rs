//! What must come back from a record as it went in: the whole serde data model, and the types that programs really
//! pass around. `corpus!` hands all of it to a macro of the caller's, so that the same values go through the encoding
//! alone, and through arguments, results and typed errors. Nothing here knows how values are recorded.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::option_option)]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// By its own name it is refused as an argument.
pub type Hashed = std::collections::HashSet<u32>;

/// A float that is equal to itself, bit for bit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bits64(pub f64);

impl PartialEq for Bits64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Bits64 {}

impl Hash for Bits64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A float that is equal to itself, bit for bit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bits32(pub f32);

impl PartialEq for Bits32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair(pub u8, pub String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Reads through a check what it wraps, as many types of addresses and names do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Email(String);

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('@') { Ok(Self(text)) } else { Err("an address has an @".to_owned()) }
    }
}

pub fn email(text: &str) -> Email {
    Email(text.to_owned())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    #[serde(rename = "_id")]
    pub id: Id,
    pub email: Option<String>,
    pub items: Vec<Item>,
    pub notes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    pub price: i64,
    pub weight: f32,
}

pub fn order() -> Order {
    Order {
        id: Id("o-1".to_owned()),
        email: Some("a@example.org".to_owned()),
        items: vec![
            Item { name: "tea".to_owned(), price: 450, weight: 0.1 },
            Item { name: "cup".to_owned(), price: -1, weight: f32::MIN_POSITIVE },
        ],
        notes: BTreeMap::from([("zz".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]),
        coupon: None,
        signature: vec![0, 255, 7],
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum External {
    Unit,
    Newtype(u64),
    NewtypeUnit(()),
    NewtypeOption(Option<u8>),
    Tuple(u8, String),
    Struct { a: i8, b: Option<Option<u8>> },
    EmptyTuple(),
    EmptyStruct {},
    Nested(Box<External>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Internal {
    Unit,
    Newtype(Item),
    Map(BTreeMap<String, i16>),
    Struct { a: i8, b: Option<Option<u8>>, c: Vec<u8>, d: External },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
pub enum Adjacent {
    Unit,
    Newtype(u128),
    Option(Option<Option<()>>),
    Tuple(u8, String),
    Struct { a: i8, b: BTreeMap<i32, bool> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Bool(bool),
    Number(i64),
    Float(f64),
    Char(char),
    Text(String),
    Struct { name: String, inner: Option<Option<i32>> },
    List(Vec<Untagged>),
    Unit,
}

/// Everything that serde itself buffers while it reads, inside one struct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flat {
    pub id: u32,
    #[serde(flatten)]
    pub item: Item,
    #[serde(flatten)]
    pub rest: BTreeMap<String, Option<Option<i16>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatTagged {
    pub id: u32,
    #[serde(flatten)]
    pub state: Internal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatEnum {
    #[serde(flatten)]
    pub external: External,
    #[serde(flatten)]
    pub maybe: Option<Pairs>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    pub left: Option<()>,
    pub right: (u8, i64, f32),
    pub email: Email,
    pub letter: char,
    pub plain: serde_bytes::ByteBuf,
    pub keyed: HashMap<u8, Bits64>,
}

pub fn pairs() -> Pairs {
    Pairs {
        left: Some(()),
        right: (1, -2, 3.5),
        email: email("a@b"),
        letter: 'ß',
        plain: serde_bytes::ByteBuf::from(vec![1, 2, 3]),
        keyed: HashMap::from([(1, Bits64(f64::NAN)), (2, Bits64(-0.0))]),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub value: i32,
    pub children: Vec<Tree>,
    pub next: Option<Box<Tree>>,
}

pub fn tree(depth: i32) -> Tree {
    Tree {
        value: depth,
        children: if depth == 0 { Vec::new() } else { vec![tree(depth - 1), tree(0)] },
        next: (depth > 1).then(|| Box::new(tree(0))),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub wait: Duration,
    pub wall: std::time::SystemTime,
    pub stamp: jiff::Timestamp,
    pub span: jiff::SignedDuration,
    pub date: jiff::civil::DateTime,
}

pub fn times() -> Times {
    Times {
        wait: Duration::new(u64::MAX, 999_999_999),
        wall: std::time::UNIX_EPOCH + Duration::new(1_700_000_000, 1),
        stamp: jiff::Timestamp::new(-1, -999_999_999).unwrap(),
        span: jiff::SignedDuration::MIN,
        date: jiff::civil::date(2024, 2, 29).at(23, 59, 59, 1),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clever<'a> {
    pub text: Cow<'a, str>,
    pub bytes: Cow<'a, [u8]>,
    pub boxed: Box<str>,
    pub slice: Box<[u16]>,
}

pub fn clever() -> Clever<'static> {
    Clever {
        text: Cow::Borrowed("tea"),
        bytes: Cow::Owned(vec![1, 2]),
        boxed: "cup".into(),
        slice: vec![1, 65535].into_boxed_slice(),
    }
}

/// A map whose entries have an order, which counts when two are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ordered<K, V>(pub Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Ordered<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for InOrder<K, V> {
            type Value = Ordered<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

pub fn ordered() -> Ordered<String, u8> {
    Ordered(["z", "a", "long", "m", ""].map(str::to_owned).into_iter().zip(0..).collect())
}

/// A document whose order counts, at every depth, when two are compared. A document by itself is equal to one of
/// another order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InOrder(pub bson::Document);

impl PartialEq for InOrder {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_vec().unwrap() == other.0.to_vec().unwrap()
    }
}

pub fn sort_document() -> bson::Document {
    bson::doc! { "z": 1, "a": { "y": [{ "x": 1, "b": 2 }], "c": 3 }, "m": -1 }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaybeOrdered {
    Number(u8),
    Map(Ordered<String, Ordered<String, u8>>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatOrdered {
    pub id: u32,
    #[serde(flatten)]
    pub rest: Ordered<String, u8>,
}

pub fn document() -> bson::Document {
    bson::doc! {
        "_id": bson::oid::ObjectId::from_bytes([7; 12]),
        "double": f64::MIN_POSITIVE,
        "negative zero": -0.0,
        "i32": i32::MIN,
        "i64": i64::MAX,
        "small i64": 1_i64,
        "text": "\u{0}\u{10ffff}",
        "null": null,
        "bool": true,
        "list": [1, "two", [3.5]],
        "nested": { "a": { "b": {} } },
        "date": bson::DateTime::from_millis(-62_135_596_800_001),
        "now": bson::DateTime::from_millis(1_700_000_000_123),
        "binary": bson::Binary { subtype: bson::spec::BinarySubtype::UserDefined(0x80), bytes: vec![0, 1, 255] },
        "uuid": bson::Uuid::from_bytes([9; 16]),
        "regex": bson::Regex { pattern: "^a.*".try_into().unwrap(), options: "im".try_into().unwrap() },
        "decimal": "1.50".parse::<bson::Decimal128>().unwrap(),
        "timestamp": bson::Timestamp { time: 1, increment: 2 },
        "code": bson::Bson::JavaScriptCode("f()".to_owned()),
        "symbol": bson::Bson::Symbol("s".to_owned()),
        "min": bson::Bson::MinKey,
        "max": bson::Bson::MaxKey,
        "undefined": bson::Bson::Undefined,
    }
}

/// The corpus: `$callback! { name: Type = value; … }`. The caller has this module's items in scope.
macro_rules! corpus {
    ($callback:ident) => {
        $callback! {
            unit: () = ();
            bool_true: bool = true;
            bool_false: bool = false;
            i8_min: i8 = i8::MIN;
            i16_min: i16 = i16::MIN;
            i32_min: i32 = i32::MIN;
            i64_min: i64 = i64::MIN;
            i64_max: i64 = i64::MAX;
            i64_minus_one: i64 = -1;
            i128_min: i128 = i128::MIN;
            i128_small: i128 = -5;
            u8_max: u8 = u8::MAX;
            u16_max: u16 = u16::MAX;
            u32_max: u32 = u32::MAX;
            u64_max: u64 = u64::MAX;
            u64_two_bytes: u64 = 128;
            u128_max: u128 = u128::MAX;
            usize_max: usize = usize::MAX;
            f32_third: f32 = 1.0 / 3.0;
            f32_subnormal: f32 = f32::from_bits(1);
            f32_infinite: f32 = f32::NEG_INFINITY;
            f32_quiet_nan: Bits32 = Bits32(f32::from_bits(0x7fc0_0001));
            f32_signalling_nan: Bits32 = Bits32(f32::from_bits(0x7f80_0001));
            f64_third: f64 = 1.0 / 3.0;
            f64_infinite: f64 = f64::INFINITY;
            f64_negative_zero: Bits64 = Bits64(-0.0);
            f64_nan_payload: Bits64 = Bits64(f64::from_bits(0xfff8_dead_beef_0001));
            f64_signalling_nan: Bits64 = Bits64(f64::from_bits(0x7ff0_0000_0000_0001));
            f64_whole: f64 = 1.0;
            char_null: char = '\0';
            char_last: char = char::MAX;
            char_ascii: char = 'x';
            text_empty: String = String::new();
            text_long: String = "äöü\u{0}\u{1f980}".repeat(100);
            bytes_empty: serde_bytes::ByteBuf = serde_bytes::ByteBuf::new();
            bytes_all: serde_bytes::ByteBuf = serde_bytes::ByteBuf::from((0..=255).collect::<Vec<u8>>());
            byte_list: Vec<u8> = vec![0, 1, 255];
            unit_struct: Unit = Unit;
            newtype_struct: Id = Id("x".to_owned());
            tuple_struct: Pair = Pair(1, "one".to_owned());
            empty_struct: Empty = Empty {};
            checked_newtype: Email = email("a@example.org");
            option_none: Option<u8> = None;
            option_some: Option<u8> = Some(0);
            option_unit_none: Option<()> = None;
            option_unit_some: Option<()> = Some(());
            option_nested_none: Option<Option<u8>> = None;
            option_nested_some_none: Option<Option<u8>> = Some(None);
            option_nested_some: Option<Option<u8>> = Some(Some(1));
            option_thrice: Option<Option<Option<()>>> = Some(Some(None));
            option_unit_struct: Option<Unit> = Some(Unit);
            options_in_a_list: Vec<Option<Option<()>>> = vec![None, Some(None), Some(Some(()))];
            tuple_mixed: (u8, i8, u16, f32, char, String, ()) = (1, -1, 2, 0.5, 'c', "s".to_owned(), ());
            tuple_one: (u8,) = (7,);
            array: [i32; 4] = [1, -2, 3, -4];
            array_empty: [u8; 0] = [];
            array_nested: [[u8; 2]; 2] = [[1, 2], [3, 4]];
            list_empty: Vec<String> = Vec::new();
            list_of_units: Vec<()> = vec![(); 300];
            list_of_lists: Vec<Vec<i16>> = vec![vec![], vec![1], vec![-300; 200]];
            deque: std::collections::VecDeque<u8> = [3, 1, 2].into();
            linked: std::collections::LinkedList<u8> = [3, 1, 2].into();
            set_ordered: std::collections::BTreeSet<String> = ["b", "a", "ccc"].map(str::to_owned).into();
            set_hashed: Hashed = (0..1).collect();
            map_empty: BTreeMap<String, u8> = BTreeMap::new();
            map_text: BTreeMap<String, u8> = BTreeMap::from([("b".to_owned(), 1), ("aa".to_owned(), 2)]);
            map_hashed: HashMap<String, u8> = (0..200_u8).map(|n| (format!("key {n}"), n)).collect();
            map_of_ints: HashMap<i64, String> = (-100..100).map(|n| (n, n.to_string())).collect();
            map_of_bools: BTreeMap<bool, ()> = BTreeMap::from([(true, ()), (false, ())]);
            map_of_chars: BTreeMap<char, u8> = BTreeMap::from([('ä', 1), ('a', 2)]);
            map_of_tuples: HashMap<(u8, String), u8> = HashMap::from([((1, "x".into()), 1), ((1, "y".into()), 2)]);
            map_of_lists: BTreeMap<Vec<u8>, u8> = BTreeMap::from([(vec![2, 1], 1), (vec![1, 2], 2), (vec![], 3)]);
            map_of_options: BTreeMap<Option<u8>, u8> = BTreeMap::from([(None, 1), (Some(1), 2)]);
            map_of_floats: HashMap<Bits64, u8> = HashMap::from([(Bits64(f64::NAN), 1), (Bits64(-0.0), 2)]);
            map_of_bytes: BTreeMap<serde_bytes::ByteBuf, u8> = BTreeMap::from([(vec![1].into(), 1), (vec![].into(), 2)]);
            map_of_newtypes: BTreeMap<Id, u8> = BTreeMap::from([(Id("b".into()), 1), (Id("a".into()), 2)]);
            map_of_units: BTreeMap<(), u8> = BTreeMap::from([((), 1)]);
            map_of_wide: BTreeMap<u128, u8> = BTreeMap::from([(u128::MAX, 1), (0, 2)]);
            map_of_results: BTreeMap<Result<u8, String>, u8> = BTreeMap::from([(Ok(1), 1), (Err("e".into()), 2)]);
            map_of_addresses: BTreeMap<std::net::IpAddr, u8> = BTreeMap::from([([127, 0, 0, 1].into(), 1)]);
            map_of_maps: BTreeMap<BTreeMap<u8, u8>, HashMap<u8, u8>> =
                BTreeMap::from([(BTreeMap::from([(2, 1), (1, 2)]), HashMap::from([(9, 9), (8, 8)]))]);
            map_in_order: Ordered<String, u8> = ordered();
            map_in_order_of_numbers: Ordered<u64, char> = Ordered(vec![(300, 'c'), (2, 'b'), (1, 'a')]);
            map_in_order_nested: Vec<Ordered<String, Option<Ordered<u8, ()>>>> =
                vec![Ordered(vec![("z".to_owned(), Some(Ordered(vec![(2, ()), (1, ())]))), ("a".to_owned(), None)]); 2];
            map_in_order_as_key: BTreeMap<Ordered<u8, u8>, u8> =
                BTreeMap::from([(Ordered(vec![(2, 0), (1, 0)]), 1), (Ordered(vec![(1, 0), (2, 0)]), 2)]);
            map_in_order_untagged: MaybeOrdered =
                MaybeOrdered::Map(Ordered(vec![("z".to_owned(), ordered()), ("a".to_owned(), ordered())]));
            map_in_order_flattened: FlatOrdered = FlatOrdered { id: 1, rest: ordered() };
            external_unit: External = External::Unit;
            external_newtype: External = External::Newtype(u64::MAX);
            external_newtype_unit: External = External::NewtypeUnit(());
            external_newtype_option: External = External::NewtypeOption(None);
            external_tuple: External = External::Tuple(1, "x".to_owned());
            external_struct: External = External::Struct { a: -1, b: Some(None) };
            external_empty_tuple: External = External::EmptyTuple();
            external_empty_struct: External = External::EmptyStruct {};
            external_nested: External = External::Nested(Box::new(External::Nested(Box::new(External::Unit))));
            internal_unit: Internal = Internal::Unit;
            internal_newtype: Internal = Internal::Newtype(order().items[0].clone());
            internal_map: Internal = Internal::Map(BTreeMap::from([("a".to_owned(), 1), ("bb".to_owned(), -1)]));
            internal_struct: Internal =
                Internal::Struct { a: 1, b: Some(None), c: vec![1, 2], d: External::Tuple(1, "x".to_owned()) };
            adjacent_unit: Adjacent = Adjacent::Unit;
            adjacent_newtype: Adjacent = Adjacent::Newtype(u128::MAX);
            adjacent_option: Adjacent = Adjacent::Option(Some(None));
            adjacent_tuple: Adjacent = Adjacent::Tuple(1, "x".to_owned());
            adjacent_struct: Adjacent = Adjacent::Struct { a: 1, b: BTreeMap::from([(-1, true), (300, false)]) };
            untagged_bool: Untagged = Untagged::Bool(false);
            untagged_number: Untagged = Untagged::Number(5);
            untagged_float: Untagged = Untagged::Float(5.0);
            untagged_char: Untagged = Untagged::Char('c');
            untagged_text: Untagged = Untagged::Text("text".to_owned());
            untagged_struct: Untagged = Untagged::Struct { name: "n".to_owned(), inner: Some(None) };
            untagged_list: Untagged = Untagged::List(vec![Untagged::Number(1), Untagged::List(vec![Untagged::Unit])]);
            untagged_unit: Untagged = Untagged::Unit;
            flat: Flat = Flat {
                id: 1,
                item: order().items[1].clone(),
                rest: [("x", None), ("y", Some(None)), ("z", Some(Some(-1)))].map(|(k, v)| (k.to_owned(), v)).into(),
            };
            flat_tagged: FlatTagged = FlatTagged {
                id: 1,
                state: Internal::Struct { a: 1, b: Some(None), c: vec![], d: External::Struct { a: 1, b: None } },
            };
            flat_enum: FlatEnum = FlatEnum { external: External::Tuple(1, "x".to_owned()), maybe: Some(pairs()) };
            flat_enum_none: FlatEnum = FlatEnum { external: External::Newtype(1), maybe: None };
            pairs_alone: Pairs = pairs();
            order_whole: Order = order();
            order_list: Vec<Order> = vec![order(); 3];
            recursive: Tree = tree(6);
            result_ok: Result<Vec<u8>, String> = Ok(vec![1]);
            result_err: Result<(), String> = Err("no".to_owned());
            boxed: Box<Option<Box<u8>>> = Box::new(Some(Box::new(1)));
            clever_pointers: Clever<'static> = clever();
            non_zero: std::num::NonZeroU64 = std::num::NonZeroU64::MAX;
            wrapping: std::num::Wrapping<i8> = std::num::Wrapping(-1);
            range: std::ops::Range<u8> = 1..9;
            bound: std::ops::Bound<u8> = std::ops::Bound::Excluded(1);
            duration_zero: Duration = Duration::ZERO;
            times_all: Times = times();
            address_v4: std::net::IpAddr = [127, 0, 0, 1].into();
            address_v6: std::net::SocketAddr = "[2001:db8::1]:443".parse().unwrap();
            path: std::path::PathBuf = "/tmp/ä/x.txt".into();
            c_string: std::ffi::CString = std::ffi::CString::new("tea").unwrap();
            json_null: serde_json::Value = serde_json::Value::Null;
            json_mixed: serde_json::Value = serde_json::json!({
                "a": [1, -1, u64::MAX, i64::MIN, 1.5, -0.0, "x", null, true], "": {}, "longer key": { "b": [[]] }
            });
            bson_document: bson::Document = document();
            bson_in_order: InOrder = InOrder(sort_document());
            bson_value: bson::Bson = bson::Bson::Document(document());
            object_id: bson::oid::ObjectId = bson::oid::ObjectId::from_bytes([1; 12]);
        }
    };
}
pub(crate) use corpus;
