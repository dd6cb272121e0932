//! Whatever serde can say comes back as it went in.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::corpus::*;
use crate::encoding::{canonical, check, decode, encode, view, write};

macro_rules! round_trips {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(
        #[test]
        fn $name() {
            let value: $type = $value;
            let bytes = encode(&value).unwrap();
            let back: $type = decode(&bytes).unwrap();
            assert_eq!(back, value);
            assert_eq!(canonical(&encode(&back).unwrap()).unwrap(), canonical(&bytes).unwrap());
            check::<$type>(&bytes, true).unwrap();
            check::<$type>(&bytes, false).unwrap();
            view(&bytes).unwrap();
            let mut appended = b"before".to_vec();
            write::append(&value, &mut appended).unwrap();
            assert_eq!(appended, [b"before", &bytes[..]].concat());
        }
    )* };
}

corpus!(round_trips);

#[test]
fn an_error_of_ours_comes_back() {
    use crate::error::{Error, ErrorKind};
    let error = Error::of(ErrorKind::Timeout, "inner").context("outer").with_retry_after(Duration::from_millis(5));
    for error in [Error::new("plain"), error.clone(), error.into_terminal().with_execution("checkout/1")] {
        let bytes = encode(&error).unwrap();
        assert_eq!(decode::<Error>(&bytes).unwrap(), error);
        check::<Error>(&bytes, true).unwrap();
    }
}

#[test]
fn what_is_written_by_its_display_is_text() {
    struct Displayed(Option<usize>);
    impl std::fmt::Display for Displayed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&"ä".repeat(self.0.ok_or(std::fmt::Error)?))
        }
    }
    impl serde::Serialize for Displayed {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
    for length in [0, 1, 63, 64, 10_000] {
        assert_eq!(encode(&(Displayed(Some(length)), 1)).unwrap(), encode(&("ä".repeat(length), 1)).unwrap());
    }
    assert_eq!(encode(&Displayed(None)).unwrap_err().message, "its `Display` failed");
}
