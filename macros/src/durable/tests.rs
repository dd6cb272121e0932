use quote::quote;

use super::*;
use crate::expected::compare;

#[test]
fn a_durable_function_without_options() {
    let written = expand(
        quote!(),
        quote! {
            /// Goes on after its last finished step,
            /// whatever kills the container.
            ///
            /// # Errors
            #[cfg(unix)]
            pub async fn checkout(mut order: Order, _copies: Vec<u8>) -> Result<Receipt> {
                tokio::select! {
                    paid = pay(&order) => paid,
                    _ = outlast::sleep("1h") => Err(late()),
                }
            }
        },
    );
    compare("durable_without_options", written);
}

#[test]
fn a_durable_function_without_arguments() {
    compare(
        "durable_without_arguments",
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
fn a_durable_function_with_every_option() {
    let written = expand(
        quote!(name = "orders.checkout", version = 2, timeout = "2h", secret(card), secret, crate = my::outlast),
        quote! {
            /// Checks out.
            async fn checkout(card: String) -> Result<Receipt, Declined> { Ok(Receipt) }
        },
    );
    compare("durable_with_every_option", written);
}

#[test]
fn an_error_in_the_body_still_writes_the_function() {
    let written = expand(
        quote!(),
        quote!(
            async fn f(a: A) -> R {
                tokio::spawn(g());
                select! { a }
            }
        ),
    )
    .to_string();
    assert!(written.contains("Registered"), "{written}");
    assert_eq!(written.matches("compile_error").count(), 2, "{written}");
}

#[test]
fn a_wrong_signature_gives_the_function_back() {
    let item = quote!(
        async fn f(a: &str) -> R {
            select! { a }
        }
    );
    let written = expand(quote!(retry(max_attempts = 1)), item.clone()).to_string();
    assert!(written.starts_with(&item.to_string()), "{written}");
    assert_eq!(written.matches("compile_error").count(), 2, "{written}");
}
