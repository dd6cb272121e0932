use quote::quote;

use super::*;
use crate::expected::compare;

#[test]
fn a_main_with_a_result() {
    let written = expand(
        quote!(worker_threads = 4, crate = my::outlast),
        quote! {
            /// The shop.
            #[allow(clippy::large_futures)]
            async fn main() -> outlast::Result<()> {
                App::from_env().run().await
            }
        },
    );
    compare("main_with_a_result", written);
}

#[test]
fn a_main_with_nothing() {
    compare(
        "main_with_nothing",
        expand(
            quote!(),
            quote!(
                async fn main() {
                    run().await
                }
            ),
        ),
    );
}

#[test]
fn a_wrong_main_leaves_a_main() {
    let written = expand(
        quote!(),
        quote!(
            async fn main(a: A) {
                run(a).await
            }
        ),
    )
    .to_string();
    assert!(written.contains("async fn __main (a : A)") && written.contains("fn main () { }"), "{written}");
    assert_eq!(written.matches("compile_error").count(), 1, "{written}");

    let item = quote!(
        fn main() {
            run()
        }
    );
    let written = expand(quote!(), item.clone()).to_string();
    assert!(written.starts_with(&item.to_string()), "{written}");
}
