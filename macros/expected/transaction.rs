#[allow(clippy::too_many_arguments)]
fn reserve(order: &Order) -> ::outlast::__private::Step<Result<()>> {
    #[allow(clippy::unused_async)]
    async fn __reserve(order: &Order) -> Result<()> {
        Ok(())
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<()>> = ::outlast::__private::codec::<
        Result<()>,
    >();
    static __SPEC: ::outlast::__private::StepSpec = ::outlast::__private::StepSpec {
        name: "orders.reserve",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        retry: ::outlast::__private::Retry {
            max_attempts: 3u32,
            ..::outlast::__private::Retry::DEFAULT
        },
        ..::outlast::__private::StepSpec::TRANSACTION
    };
    let __argument_0 = ::outlast::__private::step_argument::<Order, _>();
    let mut __arguments = ::outlast::__private::Arguments::new(&__SPEC.secret);
    __arguments.step("order", order, &__argument_0);
    ::outlast::__private::step(
        &__SPEC,
        __arguments,
        &__RESULT,
        move || {
            let __kept = ::std::sync::Arc::new((__argument_0.own(order),));
            move || {
                let __kept = ::core::clone::Clone::clone(&__kept);
                async move { __reserve(&__kept.0).await }
            }
        },
    )
}
