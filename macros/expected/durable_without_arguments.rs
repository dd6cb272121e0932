#[allow(dead_code, clippy::too_many_arguments)]
fn tick() -> ::outlast::__private::Call<Result<()>> {
    #[allow(clippy::unused_async)]
    async fn __tick() -> Result<()> {
        Ok(())
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<()>> = ::outlast::__private::codec::<
        Result<()>,
    >();
    #[allow(clippy::type_complexity)]
    fn __durable_begin() -> impl ::core::future::Future<
        Output = Result<()>,
    > + ::core::marker::Send + 'static {
        __tick()
    }
    static __FUNCTION: ::outlast::__private::Function = ::outlast::__private::Function {
        name: "tick",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        start: |_| ::outlast::__private::Ok(
            ::outlast::__private::root(&__RESULT, __durable_begin()),
        ),
        ..::outlast::__private::Function::DURABLE
    };
    ::outlast::__private::inventory::submit! {
        ::outlast::__private::Registered(& __FUNCTION)
    }
    ::outlast::__private::call(
        &__FUNCTION,
        ::outlast::__private::Arguments::new(&__FUNCTION.secret),
        &__RESULT,
        __durable_begin,
    )
}
