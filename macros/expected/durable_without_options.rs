/// Goes on after its last finished step,
/// whatever kills the container.
///
/// # Errors
#[cfg(unix)]
#[allow(dead_code, clippy::too_many_arguments)]
pub fn checkout(
    order: Order,
    _copies: Vec<u8>,
) -> ::outlast::__private::Call<Result<Receipt>> {
    #[allow(clippy::unused_async)]
    async fn __checkout(mut order: Order, _copies: Vec<u8>) -> Result<Receipt> {
        tokio::select! {
            biased; paid = pay(& order) => paid, _ = outlast::sleep("1h") => Err(late()),
        }
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<Receipt>> = ::outlast::__private::codec::<
        Result<Receipt>,
    >();
    #[allow(clippy::type_complexity)]
    const __ARGUMENT_0: ::outlast::__private::DurableArgument<Order> = ::outlast::__private::durable_argument::<
        Order,
    >();
    #[allow(clippy::type_complexity)]
    const __ARGUMENT_1: ::outlast::__private::DurableArgument<Vec<u8>> = ::outlast::__private::durable_argument::<
        Vec<u8>,
    >();
    #[allow(clippy::type_complexity)]
    fn __durable_write(__values: &(Order, Vec<u8>)) -> ::outlast::__private::Arguments {
        let mut __arguments = ::outlast::__private::Arguments::new(&__FUNCTION.secret);
        __arguments.durable("order", &__values.0, &__ARGUMENT_0);
        __arguments.durable("_copies", &__values.1, &__ARGUMENT_1);
        __arguments
    }
    #[allow(clippy::type_complexity)]
    fn __durable_read(
        __input: &mut ::outlast::__private::Input<'_>,
    ) -> ::outlast::__private::Result<(Order, Vec<u8>)> {
        ::outlast::__private::Ok((
            __input.take("order", &__ARGUMENT_0)?,
            __input.take("_copies", &__ARGUMENT_1)?,
        ))
    }
    #[allow(clippy::type_complexity)]
    fn __durable_begin(
        __values: (Order, Vec<u8>),
    ) -> impl ::core::future::Future<
        Output = Result<Receipt>,
    > + ::core::marker::Send + 'static {
        __checkout(__values.0, __values.1)
    }
    static __FUNCTION: ::outlast::__private::Function = ::outlast::__private::Function {
        name: "checkout",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        summary: "Goes on after its last finished step, whatever kills the container.",
        arguments: &[
            ::outlast::__private::Argument {
                name: "order",
                rust_type: "Order",
            },
            ::outlast::__private::Argument {
                name: "_copies",
                rust_type: "Vec<u8>",
            },
        ],
        normalise: |__input| ::outlast::__private::Ok(
            __durable_write(&__durable_read(__input)?),
        ),
        start: |__input| ::outlast::__private::Ok(
            ::outlast::__private::root(
                &__RESULT,
                __durable_begin(__durable_read(__input)?),
            ),
        ),
        ..::outlast::__private::Function::DURABLE
    };
    ::outlast::__private::inventory::submit! {
        ::outlast::__private::Registered(& __FUNCTION)
    }
    #[allow(clippy::used_underscore_binding)]
    let __values = (order, _copies);
    ::outlast::__private::call(
        &__FUNCTION,
        __durable_write(&__values),
        &__RESULT,
        move || __durable_begin(__values),
    )
}
