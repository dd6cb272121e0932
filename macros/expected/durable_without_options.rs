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
    fn __checkout_begin(
        (__value_0, (__value_1, ())): (Order, (Vec<u8>, ())),
    ) -> ::outlast::__private::Begun<Result<Receipt>> {
        ::std::boxed::Box::pin(__checkout(__value_0, __value_1))
    }
    #[allow(clippy::type_complexity)]
    static __SIGNATURE: ::outlast::__private::Signature<
        (
            ::outlast::__private::DurableArgument<Order>,
            (::outlast::__private::DurableArgument<Vec<u8>>, ()),
        ),
        Result<Receipt>,
    > = ::outlast::__private::Signature {
        arguments: (
            ::outlast::__private::durable_argument::<Order>(),
            (::outlast::__private::durable_argument::<Vec<u8>>(), ()),
        ),
        result: ::outlast::__private::codec::<Result<Receipt>>(),
        begin: __checkout_begin,
    };
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
        normalise: |__input| ::outlast::__private::normalise(
            &__FUNCTION,
            &__SIGNATURE,
            __input,
        ),
        start: |__input| ::outlast::__private::start(&__FUNCTION, &__SIGNATURE, __input),
        ..::outlast::__private::Function::DURABLE
    };
    ::outlast::__private::inventory::submit! {
        ::outlast::__private::Registered(& __FUNCTION)
    }
    #[allow(clippy::used_underscore_binding)]
    let __values = (order, (_copies, ()));
    ::outlast::__private::call(&__FUNCTION, &__SIGNATURE, __values)
}
