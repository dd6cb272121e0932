#[allow(clippy::too_many_arguments)]
fn post(client: Client) -> ::outlast::__private::Step<Result<()>> {
    #[allow(clippy::unused_async)]
    async fn __post(client: Client) -> Result<()> {}
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<()>> = ::outlast::__private::codec::<
        Result<()>,
    >();
    static __SPEC: ::outlast::__private::StepSpec = ::outlast::__private::StepSpec {
        name: "post",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        at_most_once: true,
        ..::outlast::__private::StepSpec::STEP
    };
    let __argument_0 = ::outlast::__private::skipped_argument::<Client, _>();
    let __arguments = ::outlast::__private::Arguments::new(&__SPEC.secret);
    ::outlast::__private::step(
        &__SPEC,
        __arguments,
        &__RESULT,
        move || {
            let __kept = ::std::sync::Arc::new((client,));
            move || {
                let __kept = ::core::clone::Clone::clone(&__kept);
                async move { __post(__argument_0.own(&__kept.0)).await }
            }
        },
    )
}
