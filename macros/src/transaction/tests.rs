use quote::quote;

use super::*;
use crate::expected::compare;

#[test]
fn a_transaction_is_a_step_in_the_store() {
    let written = expand(
        quote!(name = "orders.reserve", retry(max_attempts = 3)),
        quote!(
            async fn reserve(order: &Order) -> Result<()> {
                Ok(())
            }
        ),
    );
    compare("transaction", written);
}

#[test]
fn it_has_no_time_to_limit_and_no_second_time_to_rule_out() {
    for options in [quote!(timeout = "1s"), quote!(at_most_once)] {
        let written = expand(
            options,
            quote!(
                async fn reserve() -> Result<()> {}
            ),
        )
        .to_string();
        assert_eq!(written.matches("compile_error").count(), 1, "{written}");
        assert!(written.contains("TRANSACTION"), "{written}");
    }
}
