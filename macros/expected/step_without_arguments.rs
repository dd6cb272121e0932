#[allow(clippy::too_many_arguments)]
fn tick() -> ::outlast::__private::Step<Result<()>> {
    #[allow(clippy::unused_async)]
    async fn __tick() -> Result<()> {
        Ok(())
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<()>> = ::outlast::__private::codec::<
        Result<()>,
    >();
    static __SPEC: ::outlast::__private::StepSpec = ::outlast::__private::StepSpec {
        name: "tick",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        ..::outlast::__private::StepSpec::STEP
    };
    ::outlast::__private::step(
        &__SPEC,
        ::outlast::__private::Arguments::new(&__SPEC.secret),
        &__RESULT,
        || __tick,
    )
}
