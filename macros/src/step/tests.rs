use quote::quote;

use super::*;
use crate::expected::compare;

#[test]
fn a_step_without_options() {
    let written = expand(
        quote!(),
        quote! {
            /// Charges.
            #[must_use]
            pub(crate) async fn charge(order: &Order) -> Result<ChargeId> {
                let payments = outlast::state::<Payments>();
                Ok(payments.charge(order.cents).await?)
            }
        },
    );
    compare("step_without_options", written);
}

#[test]
fn a_step_without_arguments() {
    compare(
        "step_without_arguments",
        expand(
            quote!(),
            quote!(
                async fn tick() -> Result<()> {
                    Ok(())
                }
            ),
        ),
    );
}

#[test]
fn a_step_with_every_option() {
    let written = expand(
        quote! {
            name = "payments.charge",
            retry(max_attempts = 5, initial = "200ms", factor = 2.0, max = "30s", limit = "10m", when = is_transient),
            timeout = "10s",
            skip(client),
            secret(card),
            secret,
            crate = my::outlast,
        },
        quote! {
            async fn charge<'a>(client: &'a Client, mut card: String, r#type: u8, _lines: &[Line]) -> Result<Id, Declined>
            where
                Order: 'a,
            {
                client.charge(card).await
            }
        },
    );
    compare("step_with_every_option", written);
}

#[test]
fn a_step_that_happens_at_most_once() {
    let written = expand(
        quote!(at_most_once, skip(client)),
        quote!(
            async fn post(client: Client) -> Result<()> {}
        ),
    );
    compare("step_at_most_once", written);
}

#[test]
fn a_wrong_option_still_writes_the_step_beside_the_error() {
    let item = quote!(
        async fn charge(cents: i64) -> Result<i64> {
            Ok(cents)
        }
    );
    let written = expand(quote!(timeuot = "1s", at_most_once = 1), item.clone()).to_string();
    assert!(written.starts_with(&expand(quote!(), item).to_string()), "{written}");
    assert_eq!(written.matches("compile_error").count(), 2, "{written}");
}

#[test]
fn a_wrong_signature_gives_the_function_back() {
    let item = quote!(
        #[doc = "x"]
        fn charge(cents: i64) -> Result<i64> {
            Ok(cents)
        }
    );
    let written = expand(quote!(timeuot = "1s"), item.clone()).to_string();
    assert!(written.starts_with(&item.to_string()), "{written}");
    assert_eq!(written.matches("compile_error").count(), 2, "{written}");
}

#[test]
fn what_does_not_parse_is_given_back() {
    for item in [
        quote!(
            struct S;
        ),
        quote!(async fn f(a:) -> R {}),
        quote!(),
    ] {
        let written = expand(quote!(), item.clone()).to_string();
        assert!(written.starts_with(&item.to_string()), "{written}");
        assert_eq!(written.matches("compile_error").count(), 1, "{written}");
    }
}

#[test]
fn the_body_is_written_once_as_it_was() {
    let body = quote!({ let mut x = tokio::select! { a = b => c }; half typed . });
    let written = expand(quote!(), quote!(async fn f(a: A) -> R #body)).to_string();
    assert_eq!(written.matches(&body.to_string()).count(), 1, "{written}");
}

#[test]
fn contradictions_are_errors() {
    for (options, message) in [
        (quote!(at_most_once, retry(max_attempts = 2)), "never tried again"),
        (quote!(skip(a), secret(a)), "take it out of `secret`"),
        (quote!(skip(b)), "did you mean `a`"),
        (quote!(secret(other)), "only `a`"),
    ] {
        let written = expand(
            options,
            quote!(
                async fn f(a: A) -> R {}
            ),
        )
        .to_string();
        assert_eq!(written.matches("compile_error").count(), 1, "{written}");
        assert!(written.contains(message), "{written}");
    }
}
