//! What is said of arguments that can't be recorded or read, and what tells calls apart.

use std::collections::HashMap;

use serde_json::json;

use super::{Arguments, DurableArgument, Input, durable_argument};
use crate::encoding::{MapWriter, encode};
use crate::function::spec::Secret;

const NUMBER: DurableArgument<u8> = durable_argument::<u8>();
const OPTION: DurableArgument<Option<u8>> = durable_argument::<Option<u8>>();
const ADDRESS: DurableArgument<std::net::IpAddr> = durable_argument::<std::net::IpAddr>();
const DOCUMENT: DurableArgument<bson::Document> = durable_argument::<bson::Document>();
const TEXTS: DurableArgument<HashMap<String, String>> = durable_argument::<HashMap<String, String>>();
static CARD: Secret = Secret { arguments: &["card"], result: false };

fn recorded(entries: &[(&str, Vec<u8>)], secret: &'static Secret) -> Input<'static> {
    let mut list = MapWriter::default();
    for (name, bytes) in entries {
        list.add(name, bytes.clone());
    }
    Input::from_record(list.finish().leak(), secret, |sealed| Ok(sealed.to_vec())).unwrap()
}

#[test]
fn an_argument_that_an_older_record_lacks_is_missing() {
    let mut input = recorded(&[("order", encode(&1_u8).unwrap())], &Secret::NONE);
    let message = input.take("count", &NUMBER).unwrap_err().to_string();
    assert!(message.starts_with("the argument `count` is missing"), "{message}");
    assert_eq!(input.take("maybe", &OPTION).unwrap(), None);
    assert_eq!(input.take("order", &NUMBER).unwrap(), 1);
    let mut input = Input::from_json(json!({}), &["count", "maybe"], &Secret::NONE).unwrap();
    assert_eq!(input.take("count", &NUMBER).unwrap_err().to_string(), "the argument `count` is missing");
    assert_eq!(input.take("maybe", &OPTION).unwrap(), None);
}

#[test]
fn of_a_secret_argument_only_the_name_is_said() {
    let hidden = |message: String| assert!(message.contains("`card`") && !message.contains("4111"), "{message}");
    let card = || [("card", encode(&HashMap::from([("4111", 1_u8)])).unwrap())];
    hidden(recorded(&card(), &CARD).take("card", &TEXTS).unwrap_err().to_string());
    let named = recorded(&card(), &Secret::NONE).take("card", &TEXTS).unwrap_err().to_string();
    assert!(named.contains("4111"), "{named}");

    let json = || Input::from_json(json!("4111"), &["card"], &CARD).unwrap();
    hidden(json().take("card", &NUMBER).unwrap_err().to_string());
    let json = Input::from_json(json!({ "card": "4111", "order": "x" }), &["card", "order"], &CARD);
    hidden(json.unwrap().take("card", &ADDRESS).unwrap_err().to_string());
}

#[test]
fn maps_are_stored_as_written_and_told_apart_by_their_entries() {
    let both = |document: bson::Document| {
        let mut arguments = Arguments::new(&Secret::NONE);
        arguments.durable("filter", &document, &DOCUMENT);
        arguments.durable("count", &1, &NUMBER);
        let plain = arguments.plain().unwrap();
        let identity = arguments.identity(&plain).unwrap().into_owned();
        (plain, identity)
    };
    let (one, same) = both(bson::doc! { "z": 1, "a": 2 });
    let (other, as_well) = both(bson::doc! { "a": 2, "z": 1 });
    assert_ne!(one, other);
    assert_eq!(same, as_well);
    assert_ne!(same, both(bson::doc! { "z": 2, "a": 1 }).1);
    let mut input = Input::from_record(&one, &Secret::NONE, |sealed| Ok(sealed.to_vec())).unwrap();
    assert_eq!(input.take("filter", &DOCUMENT).unwrap().keys().collect::<Vec<_>>(), ["z", "a"]);
}

#[test]
fn arguments_are_the_same_map_in_whatever_order_they_come() {
    let written = |names: &[&'static str], kept: bool| {
        let mut arguments = Arguments::new(&CARD);
        for name in names {
            arguments.durable(name, &(name.len() as u8), &NUMBER);
        }
        let arguments = if kept { arguments.keep() } else { arguments };
        let stored = arguments.stored(|bytes| Ok([&[0xff], bytes].concat())).unwrap();
        (arguments.plain().unwrap(), stored)
    };
    let mut map = MapWriter::default();
    for name in ["id", "card", "count", "order"] {
        map.add(name, encode(&(name.len() as u8)).unwrap());
    }
    let (sorted, sealed) = written(&["id", "card", "count", "order"], false);
    assert_eq!(sorted, map.finish());
    assert_eq!(sealed.len(), sorted.len() + 1, "the secret one alone is sealed");
    for names in [["order", "count", "card", "id"], ["id", "count", "card", "order"]] {
        for kept in [false, true] {
            assert_eq!(written(&names, kept), (sorted.clone(), sealed.clone()));
        }
    }
    assert_eq!(written(&[], true).0, MapWriter::default().finish());
}
