//! Whatever serde can say comes back as it went in.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::corpus::*;
use crate::encoding::{check, decode, encode, encode_into, view};

macro_rules! round_trips {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(
        #[test]
        fn $name() {
            let value: $type = $value;
            let bytes = encode(&value).unwrap();
            let back: $type = decode(&bytes).unwrap();
            assert_eq!(back, value);
            assert_eq!(encode(&back).unwrap(), bytes);
            check::<$type>(&bytes, true).unwrap();
            check::<$type>(&bytes, false).unwrap();
            view(&bytes).unwrap();
            let mut appended = b"before".to_vec();
            encode_into(&value, &mut appended).unwrap();
            assert_eq!(appended, [b"before", &bytes[..]].concat());
        }
    )* };
}

corpus!(round_trips);
