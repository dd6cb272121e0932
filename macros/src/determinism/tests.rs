use quote::quote;

use super::*;

fn checked(body: TokenStream) -> (String, Vec<String>) {
    let mut errors = Errors::default();
    let body = check(&Group::new(Delimiter::Brace, body), &mut errors);
    (body.stream().to_string(), errors.messages())
}

fn written(body: TokenStream) -> String {
    let (written, errors) = checked(body.clone());
    assert!(errors.is_empty(), "{body}: {errors:?}");
    written
}

#[test]
fn select_is_biased_at_any_depth() {
    for (body, expected) in [
        (quote!(tokio::select! { a = b => c }), quote!(tokio::select! { biased; a = b => c })),
        (quote!(::tokio::select!(a = b => c)), quote!(::tokio::select!(biased; a = b => c))),
        (quote!(x = tokio::select![a = b => c];), quote!(x = tokio::select![biased; a = b => c];)),
        (
            quote!(|| async {
                tokio::select! { a }
            }),
            quote!(|| async {
                tokio::select! { biased; a }
            }),
        ),
        (
            quote!(join!(async {
                tokio::select! { a }
            })),
            quote!(join!(async {
                tokio::select! { biased; a }
            })),
        ),
        (
            quote!(tokio::select! { a = async { tokio::select! { b } } => c }),
            quote!(tokio::select! { biased; a = async { tokio::select! { biased; b } } => c }),
        ),
        (quote!(async move || tokio::select! { a }), quote!(async move || tokio::select! { biased; a })),
        (quote!(step("s", async || tokio::select! { a })), quote!(step("s", async || tokio::select! { biased; a }))),
        (
            quote!(
                async fn f() {
                    tokio::select! { a }
                }
            ),
            quote!(
                async fn f() {
                    tokio::select! { biased; a }
                }
            ),
        ),
        (quote!(return ::tokio::select! { a }), quote!(return ::tokio::select! { biased; a })),
        (quote!(for i in 0..tokio::select! { a } {}), quote!(for i in 0..tokio::select! { biased; a } {})),
    ] {
        assert_eq!(written(body), expected.to_string());
    }
}

#[test]
fn all_else_stays_as_it_was() {
    for body in [
        quote!(tokio::select! { biased; a = b => c }),
        quote!(outlast::select! { a = b => c }),
        quote!(futures::select_biased! { a = b => c }),
        quote!(my::tokio::select! { a }),
        quote!(tokio.select!(a)),
        quote!(let select = tokio::join!(a, b); select!= b),
        quote!(x.spawn(y).await; spawn(y); self.sleep; tokio::sync::mpsc::channel(1)),
        quote!(use tokio::time; use tokio::*; use outlast::select; time::advance(d); select! { a }),
        quote!(Clock::now(), my::Instant::now(), <T as tokio::time::Sleep>::now()),
        quote!(Foo::<T>::sleep(1)),
    ] {
        assert_eq!(written(body.clone()), body.to_string());
    }
}

#[test]
fn a_biased_branch_that_only_looks_so_is_no_word() {
    let (written, _) = checked(quote!(tokio::select! { biased = a => b }));
    // `biased =` is a branch; the word is one only before `;`.
    assert!(written.contains("biased ; biased = a"), "{written}");
}

#[test]
fn a_select_that_is_drawn_by_lot_is_refused() {
    for (body, message) in [
        (quote!(select! { a }), forbidden::BARE_SELECT),
        (quote!(async { join!(select! { a }) }), forbidden::BARE_SELECT),
        (quote!(futures::select! { a }), forbidden::FUTURES_SELECT),
        (quote!(::futures_util::select! { a }), forbidden::FUTURES_SELECT),
        (quote!(use futures as f;, f::select! { a }), forbidden::FUTURES_SELECT),
        (quote!(use tokio::select;, select! { a }), forbidden::IMPORTED_SELECT),
        (quote!({ use tokio::{time, select as either}; } either! { a }), forbidden::IMPORTED_SELECT),
        (quote!(use futures::select;, select! { a }), forbidden::FUTURES_SELECT),
    ] {
        let (_, errors) = checked(body.clone());
        assert_eq!(errors, [message], "{body}");
    }
}

#[test]
fn an_alias_of_the_crate_is_seen_through() {
    let written = written(quote!(use tokio as rt;, rt::select! { a }));
    assert!(written.contains("biased ; a"), "{written}");
}

#[test]
fn what_is_not_in_the_record_is_refused_with_what_to_write() {
    for (body, instead) in [
        (quote!(tokio::time::sleep(d).await), "outlast::sleep"),
        (quote!(::tokio::time::sleep_until(d).await), "outlast::sleep"),
        (quote!(std::thread::sleep(d)), "outlast::sleep"),
        (quote!(thread::sleep(d)), "outlast::sleep"),
        (quote!(tokio::time::timeout(d, f)), "outlast::sleep"),
        (quote!(tokio::time::interval(d)), "loop"),
        (quote!(tokio::spawn(f)), "tokio::join!"),
        (quote!(tokio::spawn::<F>(f)), "tokio::join!"),
        (quote!(x.map(tokio::spawn)), "tokio::join!"),
        (quote!(tokio::task::spawn_blocking(f)), "step"),
        (quote!(std::thread::spawn(f)), "step"),
        (quote!(SystemTime::now()), "outlast::now()"),
        (quote!(std::time::Instant::now()), "outlast::now()"),
        (quote!(tokio::time::Instant::now()), "outlast::now()"),
        (quote!(chrono::Utc::now()), "outlast::now()"),
        (quote!(rand::random::<u8>()), "outlast::random()"),
        (quote!(Uuid::new_v4()), "outlast::uuid()"),
        (quote!(use tokio::time::sleep;, sleep(d)), "outlast::sleep"),
        (
            quote!(
                use tokio::{
                    time::{self as t},
                };,
                t::sleep(d)
            ),
            "outlast::sleep",
        ),
        (quote!(join!(async { vec.map(|x| tokio::spawn(x)) })), "tokio::join!"),
        (quote!(if x { return tokio::spawn(f) } else { y }), "tokio::join!"),
        (quote!(0..tokio::spawn(f)), "tokio::join!"),
    ] {
        let (written, errors) = checked(body.clone());
        assert_eq!(errors.len(), 1, "{body}: {errors:?}");
        assert!(errors[0].contains(instead), "{body}: {errors:?}");
        assert_eq!(written, body.to_string());
    }
}

#[test]
fn what_a_step_may_run_is_not_judged() {
    for body in [
        quote!(step("s", async move || tokio::time::sleep(d).await)),
        quote!(outlast::step("s", async || { SystemTime::now() })),
        quote!(step::<T, _, _>("s", || async { SystemTime::now() })),
        quote!(let f = async move || { tokio::spawn(g).await };),
        quote!(let f = async |x: u8| -> u8 { tokio::spawn(g).await };),
        quote!(let f = async || tokio::spawn(g).await;),
        quote!(let f = move || async move { tokio::spawn(g).await };),
        quote!(
            fn f() -> Instant {
                Instant::now()
            }
        ),
        quote!(impl S { async fn f(x: u8) { tokio::spawn(g).await } }),
        quote!(
            #[step(timeout = "1s")]
            async fn f() -> R {
                tokio::select! { a }
                select! { b }
                SystemTime::now()
            }
        ),
        quote!(
            #[outlast::transaction]
            #[doc = "x"]
            pub async fn f() -> R {
                select! { b }
            }
        ),
        quote!(
            #[durable]
            async fn f() -> R {
                SystemTime::now()
            }
        ),
        quote!(let sleep = 1; use tokio::time::sleep; x.sleep; f(sleep)),
    ] {
        assert_eq!(written(body.clone()), body.to_string());
    }
}

#[test]
fn judging_goes_on_behind_what_is_spared() {
    for body in [
        quote!(
            fn f() {
                Instant::now()
            },
            Instant::now()
        ),
        quote!(fn f();, Instant::now()),
        quote!(let f = async || Instant::now(); Instant::now()),
        quote!(g(async || Instant::now(), Instant::now())),
        quote!(g(async || { Instant::now() }, Instant::now())),
        quote!(
            #[step]
            async fn f() {
                Instant::now()
            },
            Instant::now()
        ),
        quote!(step("s", f); Instant::now()),
        quote!(let f = || async { Instant::now() }; Instant::now()),
        quote!(let f = || Instant::now();),
        quote!(let f = |x| async { Instant::now() };),
    ] {
        let (_, errors) = checked(body.clone());
        assert_eq!(errors.len(), 1, "{body}: {errors:?}");
    }
}

#[test]
fn a_body_that_is_half_typed_is_walked_all_the_same() {
    for body in [
        quote!(let x = tokio::),
        quote!(tokio::select!),
        quote!(use tokio::),
        quote!(async |),
        quote!(fn),
        quote!(#),
        quote!(#[]),
    ] {
        assert_eq!(written(body.clone()), body.to_string());
    }
}
