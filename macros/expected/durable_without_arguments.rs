#[allow(dead_code, clippy::too_many_arguments)]
fn tick() -> ::outlast::__private::Call<Result<()>> {
    #[allow(clippy::unused_async)]
    async fn __tick() -> Result<()> {
        Ok(())
    }
    #[allow(clippy::type_complexity)]
    fn __tick_begin((): ()) -> ::outlast::__private::Begun<Result<()>> {
        ::std::boxed::Box::pin(__tick())
    }
    #[allow(clippy::type_complexity)]
    static __SIGNATURE: ::outlast::__private::Signature<(), Result<()>> = ::outlast::__private::Signature {
        arguments: (),
        result: ::outlast::__private::codec::<Result<()>>(),
        begin: __tick_begin,
    };
    static __FUNCTION: ::outlast::__private::Function = ::outlast::__private::Function {
        name: "tick",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
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
    ::outlast::__private::call(&__FUNCTION, &__SIGNATURE, ())
}
