/// Charges.
#[must_use]
#[allow(clippy::too_many_arguments)]
pub(crate) fn charge(order: &Order) -> ::outlast::__private::Step<Result<ChargeId>> {
    #[allow(clippy::unused_async)]
    async fn __charge(order: &Order) -> Result<ChargeId> {
        let payments = outlast::state::<Payments>();
        Ok(payments.charge(order.cents).await?)
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: ::outlast::__private::Codec<Result<ChargeId>> = ::outlast::__private::codec::<
        Result<ChargeId>,
    >();
    static __SPEC: ::outlast::__private::StepSpec = ::outlast::__private::StepSpec {
        name: "charge",
        place: ::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        ..::outlast::__private::StepSpec::STEP
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
                async move { __charge(&__kept.0).await }
            }
        },
    )
}
