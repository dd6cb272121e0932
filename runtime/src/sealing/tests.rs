//! What sealing promises.

use super::{ID, Keys, NONCE, base64, from_base64, generate};
use crate::digest::hex;
use crate::error::ErrorKind;

const SEVENS: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn keys(text: &str) -> Keys {
    Keys::from_text(text).unwrap()
}

fn bytes(seed: u8) -> [u8; 32] {
    std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8 * 7))
}

#[test]
fn what_is_sealed_opens() {
    let keys = keys(&generate().unwrap());
    for plain in [&b""[..], b"x", &[0; 10_000]] {
        let sealed = keys.seal(plain, b"card").unwrap();
        assert_eq!(keys.open(&sealed, b"card").unwrap(), plain);
        assert_eq!(sealed.len(), 1 + ID + NONCE + plain.len() + 16);
    }
}

#[test]
fn the_plain_text_is_not_in_it_and_no_two_are_equal() {
    let keys = keys(SEVENS);
    let plain = b"4111 1111 1111 1111";
    let (first, second) = (keys.seal(plain, b"").unwrap(), keys.seal(plain, b"").unwrap());
    assert!(!first.windows(4).any(|window| window == &plain[..4]));
    assert_ne!(first[5..29], second[5..29]);
    assert_ne!(first[29..], second[29..]);
}

/// Records outlive builds: these bytes were made by another implementation, and open for ever.
#[test]
fn bytes_sealed_long_ago_open() {
    let sealed = from_hex_text(VECTOR);
    let keys = keys(SEVENS);
    assert_eq!(keys.open(&sealed, b"argument card").unwrap(), b"4111");
    assert_eq!(sealed[1..=ID], keys.first.id);
}

const VECTOR: &str =
    "01703e7f8b000102030405060708090a0b0c0d0e0f10111213141516179c269ab449ea2b0d1942e9f0f6df05f09d9f2629";

fn from_hex_text(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn keys_come_in_base64_and_hexadecimal() {
    for seed in 0..50 {
        let bytes = bytes(seed);
        let padded = base64(&bytes);
        let bare = padded.trim_end_matches('=').to_owned();
        let url_safe = padded.replace('+', "-").replace('/', "_");
        let digits = hex(&bytes);
        let sealed = keys(&padded).seal(b"x", b"").unwrap();
        for form in [&padded, &bare, &url_safe, &digits, &digits.to_uppercase(), &format!("  {bare}\n")] {
            assert_eq!(keys(form).open(&sealed, b"").unwrap(), b"x");
        }
    }
    assert_eq!(base64(&[7; 32]), SEVENS);
    assert_eq!(base64(b"ab"), "YWI=");
    assert_eq!(base64(b"a"), "YQ==");
    assert_eq!(from_base64(&SEVENS[..43]), Some([7; 32]));
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, new) = (base64(&bytes(1)), base64(&bytes(2)));
    let by_old = keys(&old).seal(b"x", b"").unwrap();
    for between in [",", " ", ", ", "\n", " ,\t, "] {
        let both = keys(&[new.as_str(), &old].join(between));
        assert_eq!(both.open(&by_old, b"").unwrap(), b"x");
        let by_both = both.seal(b"y", b"").unwrap();
        assert_eq!(keys(&new).open(&by_both, b"").unwrap(), b"y");
        assert_eq!(keys(&old).open(&by_both, b"").unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn the_id_names_the_key_and_is_not_part_of_it() {
    let (first, second) = (keys(&base64(&bytes(1))), keys(&base64(&bytes(2))));
    let sealed = first.seal(b"x", b"").unwrap();
    assert_eq!(sealed[1..=ID], first.first.id);
    assert_ne!(first.first.id, second.first.id);
    assert!(!bytes(1).windows(ID).any(|window| window == first.first.id));
}

#[test]
fn a_damaged_id_is_no_obstacle() {
    let keys = keys(&[base64(&bytes(1)), base64(&bytes(2))].join(","));
    let mut sealed = keys.seal(b"x", b"").unwrap();
    sealed[1] ^= 1;
    assert_eq!(keys.open(&sealed, b"").unwrap(), b"x");
    // Also where it names another of the keys.
    sealed[1..=ID].copy_from_slice(&keys.more[0].id);
    assert_eq!(keys.open(&sealed, b"").unwrap(), b"x");
}

#[test]
fn a_wrong_key_is_named_as_the_cause() {
    let sealed = keys(&base64(&bytes(1))).seal(b"x", b"").unwrap();
    let error = keys(&base64(&bytes(2))).open(&sealed, b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("OUTLAST_KEY doesn't hold the key that sealed this value"), "{error}");
}

#[test]
fn every_changed_byte_and_every_cut_is_damage() {
    let keys = keys(SEVENS);
    let sealed = keys.seal(b"4111", b"card").unwrap();
    for at in (0..sealed.len()).filter(|at| !(1..=ID).contains(at)) {
        let mut changed = sealed.clone();
        changed[at] ^= 0x80;
        assert_eq!(keys.open(&changed, b"card").unwrap_err().kind(), ErrorKind::Damaged, "byte {at}");
    }
    for end in 0..sealed.len() {
        assert_eq!(keys.open(&sealed[..end], b"card").unwrap_err().kind(), ErrorKind::Damaged, "cut at {end}");
    }
    assert_eq!(keys.open(&[&sealed[..], &[0]].concat(), b"card").unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn it_opens_only_where_it_was_sealed_for() {
    let keys = keys(SEVENS);
    let sealed = keys.seal(b"4111", b"card").unwrap();
    for other in [&b""[..], b"car", b"card ", b"iban"] {
        assert_eq!(keys.open(&sealed, other).unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[test]
fn wrong_keys_are_told_by_number_and_never_shown() {
    let good = base64(&bytes(1));
    let wrong = [
        good[..42].to_owned(),
        format!("{good}="),
        format!("{}!", &good[..42]),
        // The bits that no byte takes.
        format!("{}/", &good[..42]),
        hex(&bytes(1))[1..].to_owned(),
        format!("{}g", &hex(&bytes(1))[1..]),
        "password".to_owned(),
        "ключ".repeat(8),
    ];
    for wrong in &wrong {
        for (text, number) in [(wrong.clone(), 1), (format!("{good},{wrong}"), 2), (format!("{wrong} {good}"), 1)] {
            let error = Keys::from_text(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(&format!("key {number} in OUTLAST_KEY")), "{shown}");
            assert!(!shown.contains(&wrong[..8]) && !shown.contains(&good[..8]), "{shown}");
        }
    }
    for empty in ["", " ", ",", "\n,"] {
        assert!(Keys::from_text(empty).unwrap_err().to_string().starts_with("OUTLAST_KEY holds no key"));
    }
}

#[test]
fn debug_says_how_many_there_are() {
    assert_eq!(format!("{:?}", keys(SEVENS)), "Keys(1)");
    assert_eq!(format!("{:?}", keys(&format!("{SEVENS},{}", base64(&bytes(2))))), "Keys(2)");
}

#[test]
fn a_generated_key_is_fresh_and_fits() {
    let (first, second) = (generate().unwrap(), generate().unwrap());
    assert_ne!(first, second);
    assert_eq!(first.len(), 44);
    keys(&first);
}
