/// Checks out.
#[allow(dead_code, clippy::too_many_arguments)]
fn checkout(card: String) -> my::outlast::__private::Call<Result<Receipt, Declined>> {
    #[allow(clippy::unused_async)]
    async fn __checkout(card: String) -> Result<Receipt, Declined> {
        Ok(Receipt)
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: my::outlast::__private::Codec<Result<Receipt, Declined>> = my::outlast::__private::codec::<
        Result<Receipt, Declined>,
    >();
    #[allow(clippy::type_complexity)]
    const __ARGUMENT_0: my::outlast::__private::DurableArgument<String> = my::outlast::__private::durable_argument::<
        String,
    >();
    #[allow(clippy::type_complexity)]
    fn __durable_write(__values: &(String,)) -> my::outlast::__private::Arguments {
        let mut __arguments = my::outlast::__private::Arguments::new(&__FUNCTION.secret);
        __arguments.durable("card", &__values.0, &__ARGUMENT_0);
        __arguments
    }
    #[allow(clippy::type_complexity)]
    fn __durable_read(
        __input: &mut my::outlast::__private::Input<'_>,
    ) -> my::outlast::__private::Result<(String,)> {
        my::outlast::__private::Ok((__input.take("card", &__ARGUMENT_0)?,))
    }
    #[allow(clippy::type_complexity)]
    fn __durable_begin(
        __values: (String,),
    ) -> impl ::core::future::Future<
        Output = Result<Receipt, Declined>,
    > + ::core::marker::Send + 'static {
        __checkout(__values.0)
    }
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
        normalise: |__input| my::outlast::__private::Ok(
            __durable_write(&__durable_read(__input)?),
        ),
        start: |__input| my::outlast::__private::Ok(
            my::outlast::__private::root(
                &__RESULT,
                __durable_begin(__durable_read(__input)?),
            ),
        ),
    };
    my::outlast::__private::inventory::submit! {
        my::outlast::__private::Registered(& __FUNCTION)
    }
    let __values = (card,);
    my::outlast::__private::call(
        &__FUNCTION,
        __durable_write(&__values),
        &__RESULT,
        move || __durable_begin(__values),
    )
}
