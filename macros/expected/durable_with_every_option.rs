/// Checks out.
#[allow(dead_code, clippy::too_many_arguments)]
fn checkout(card: String) -> my::outlast::__private::Call<Result<Receipt, Declined>> {
    #[allow(clippy::unused_async)]
    async fn __checkout(card: String) -> Result<Receipt, Declined> {
        Ok(Receipt)
    }
    #[allow(clippy::type_complexity)]
    fn __checkout_begin(
        (__value_0, ()): (String, ()),
    ) -> my::outlast::__private::Begun<Result<Receipt, Declined>> {
        ::std::boxed::Box::pin(__checkout(__value_0))
    }
    #[allow(clippy::type_complexity)]
    static __SIGNATURE: my::outlast::__private::Signature<
        (my::outlast::__private::DurableArgument<String>, ()),
        Result<Receipt, Declined>,
    > = my::outlast::__private::Signature {
        arguments: (my::outlast::__private::durable_argument::<String>(), ()),
        result: my::outlast::__private::codec::<Result<Receipt, Declined>>(),
        begin: __checkout_begin,
    };
    static __FUNCTION: my::outlast::__private::Function = my::outlast::__private::Function {
        name: "orders.checkout",
        version: 2u32,
        place: my::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        summary: "Checks out.",
        timeout: ::core::option::Option::Some(
            ::core::time::Duration::from_millis(7200000u64),
        ),
        secret: my::outlast::__private::Secret {
            arguments: &["card"],
            result: true,
        },
        arguments: &[
            my::outlast::__private::Argument {
                name: "card",
                rust_type: "String",
            },
        ],
        normalise: |__input| my::outlast::__private::normalise(
            &__FUNCTION,
            &__SIGNATURE,
            __input,
        ),
        start: |__input| my::outlast::__private::start(
            &__FUNCTION,
            &__SIGNATURE,
            __input,
        ),
    };
    my::outlast::__private::inventory::submit! {
        my::outlast::__private::Registered(& __FUNCTION)
    }
    let __values = (card, ());
    my::outlast::__private::call(&__FUNCTION, &__SIGNATURE, __values)
}
