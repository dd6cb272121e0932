use std::collections::BTreeSet;

use quote::quote;

use super::*;

fn keys(kind: Kind, tokens: TokenStream) -> (Vec<String>, Vec<String>) {
    let mut errors = Errors::default();
    let entries = read(kind, tokens, &mut errors);
    (entries.iter().map(Entry::name).collect(), errors.messages())
}

#[test]
fn every_form_is_read() {
    let (keys, errors) =
        keys(Kind::Step, quote!(name = "a", at_most_once, skip(a, b), secret, secret(c), crate = a::b,));
    assert_eq!(keys, ["name", "at_most_once", "skip", "secret", "secret", "crate"]);
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn one_wrong_entry_hides_no_other() {
    let (keys, errors) = keys(Kind::Step, quote!("charge", 5, timeuot = "1s", , name "x", skip(a) b, timeout = "2s"));
    assert_eq!(keys, ["timeout"]);
    assert_eq!(errors.len(), 6, "{errors:?}");
}

#[test]
fn the_second_of_a_kind_is_refused_and_the_first_kept() {
    let (keys, errors) = keys(Kind::Durable, quote!(secret, version = 1, secret(a), version = 2, secret));
    assert_eq!(keys, ["secret", "version", "secret"]);
    assert_eq!(errors, ["`version` is given twice: keep one", "`secret` is given twice: keep one"]);
}

#[test]
fn each_attribute_has_its_own_options() {
    let every = [Kind::Durable, Kind::Step, Kind::Transaction, Kind::Main].map(of).concat();
    let every = every.iter().map(|known| known.name).collect::<BTreeSet<_>>();
    for kind in [Kind::Durable, Kind::Step, Kind::Transaction, Kind::Main] {
        for name in &every {
            let key = if *name == "crate" { quote!(crate) } else { name.parse().unwrap() };
            let (keys, errors) = keys(kind, quote!(#key));
            let own = of(kind).iter().any(|known| known.name == *name);
            assert_eq!(keys.len(), usize::from(own), "{kind:?} {name}: {errors:?}");
            assert_eq!(errors.len(), usize::from(!own), "{kind:?} {name}: {errors:?}");
        }
    }
}

#[test]
fn an_option_of_another_attribute_is_named_as_such() {
    let message = unknown(Kind::Durable, "retry");
    assert!(message.starts_with("`retry` is an option of `#[step]` and `#[transaction]`"), "{message}");
    assert!(unknown(Kind::Transaction, "timeout").contains("do slow work in a step"));
    assert!(unknown(Kind::Transaction, "at_most_once").contains("exactly once"));
    assert_eq!(unknown(Kind::Step, "nmae"), "`#[step]` has no option `nmae`: did you mean `name`?");
}

fn first(kind: Kind, tokens: TokenStream) -> Entry {
    let mut errors = Errors::default();
    let entry = read(kind, tokens, &mut errors).pop().unwrap();
    assert!(errors.messages().is_empty());
    entry
}

fn refused<T: std::fmt::Debug>(read: impl FnOnce(&mut Errors) -> Option<T>) -> String {
    let mut errors = Errors::default();
    let value = read(&mut errors);
    assert!(value.is_none(), "{value:?}");
    errors.messages().pop().unwrap()
}

#[test]
fn names_have_an_alphabet_and_a_length() {
    let longest = "x".repeat(255);
    for name in ["a", "orders.ship", "A-z_0:9/x", &longest] {
        let entry = first(Kind::Step, quote!(name = #name));
        assert_eq!(name::read(&entry, &mut Errors::default()).as_deref(), Some(name));
    }
    let too_long = "x".repeat(256);
    for (name, reason) in
        [("", "1 to 255"), (too_long.as_str(), "1 to 255"), ("a b", "' '"), ("größe", "'ö'"), ("a\n", "'\\n'")]
    {
        let entry = first(Kind::Step, quote!(name = #name));
        let message = refused(|errors| name::read(&entry, errors));
        assert!(message.contains(reason), "{name}: {message}");
    }
}

#[test]
fn counts_are_whole_and_from_one_up() {
    let read = |tokens| {
        let entry = first(Kind::Durable, tokens);
        move |errors: &mut Errors| count(&entry, &Known::VERSION, errors)
    };
    assert_eq!(read(quote!(version = 2))(&mut Errors::default()), Some(2));
    assert_eq!(read(quote!(version = 4_294_967_295))(&mut Errors::default()), Some(u32::MAX));
    for (tokens, reason) in [
        (quote!(version = 0), "at least 1"),
        (quote!(version = -1), "between 1 and"),
        (quote!(version = 4294967296), "between 1 and"),
        (quote!(version = 1.5), "takes a whole number"),
        (quote!(version = "2"), "takes a whole number"),
        (quote!(version = 2 3), "takes a whole number"),
        (quote!(version =), "needs a value"),
        (quote!(version), "needs a value"),
        (quote!(version(2)), "not a list"),
    ] {
        let text = tokens.to_string();
        let message = refused(read(tokens));
        assert!(message.contains(reason), "{text}: {message}");
    }
}

fn retry(tokens: TokenStream) -> (retry::Retry, Vec<String>) {
    let mut errors = Errors::default();
    let retry = retry::Retry::read(&first(Kind::Step, tokens), &mut errors);
    (retry, errors.messages())
}

#[test]
fn a_retry_policy_writes_what_was_given_and_leaves_the_rest_to_the_runtime() {
    let private = quote!(P);
    let (policy, errors) = retry(quote!(retry(max_attempts = 5, factor = 2)));
    assert!(errors.is_empty(), "{errors:?}");
    let written = policy.tokens(&private).unwrap().to_string();
    assert_eq!(written, "P :: Retry { max_attempts : 5u32 , factor : 2f64 , .. P :: Retry :: DEFAULT }");

    let (policy, errors) = retry(quote!(retry(
        max_attempts = 5,
        initial = "1s",
        factor = 1.5,
        max = "1m",
        limit = "1h",
        when = a::b::<C, D>
    )));
    assert!(errors.is_empty(), "{errors:?}");
    assert!(policy.when.is_some());
    // With nothing left, a rest would be a lint.
    assert!(!policy.tokens(&private).unwrap().to_string().contains("DEFAULT"));

    let (policy, errors) = retry(quote!(retry(when = a)));
    assert!(errors.is_empty() && policy.tokens(&private).is_none());
}

#[test]
fn a_retry_policy_that_makes_no_sense_is_refused() {
    for (tokens, reason) in [
        (quote!(retry), "needs a list"),
        (quote!(retry()), "is empty"),
        (quote!(retry = 5), "takes a list"),
        (quote!(retry(max_attempts = 0)), "at least 1"),
        (quote!(retry(factor = 0.9)), "at least 1"),
        (quote!(retry(factor = -2.0)), "at least 1"),
        (quote!(retry(factor = "2")), "takes a number"),
        (quote!(retry(limit = "0s")), "never enough"),
        (quote!(retry(initial = "2s", max = "1s")), "`max` is at least `initial`"),
        (quote!(retry(when = |error| true)), "path of a function"),
        (quote!(retry(jitter = 5)), "its options are"),
        (quote!(retry(max_attempt = 5)), "did you mean `max_attempts`"),
        (quote!(retry(max = "1s", max = "2s")), "given twice"),
    ] {
        let text = tokens.to_string();
        let (_, errors) = retry(tokens);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(reason), "{text}: {errors:?}");
    }
}

#[test]
fn names_of_arguments_stand_once_and_alone() {
    let mut errors = Errors::default();
    let entry = first(Kind::Step, quote!(skip(a, r#b, a, c = 1)));
    let names = names(&entry, &Known::SKIP, &mut errors);
    assert_eq!(names, ["a", "r#b"]);
    assert_eq!(
        errors.messages(),
        ["`a` stands in `skip` twice", "`skip` takes names of arguments: write `skip(client)`"]
    );
}

#[test]
fn the_runtime_is_found_at_one_path() {
    assert_eq!(Runtime::default().private(Span::call_site()).to_string(), ":: outlast :: __private");
    let entry = first(Kind::Step, quote!(crate = my::outlast));
    let runtime = Runtime::read(&entry, &mut Errors::default());
    assert_eq!(runtime.private(Span::call_site()).to_string(), "my :: outlast :: __private");
}
