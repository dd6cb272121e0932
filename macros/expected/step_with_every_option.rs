#[allow(clippy::too_many_arguments)]
fn charge<'a>(
    client: &'a Client,
    card: String,
    r#type: u8,
    _lines: &[Line],
) -> my::outlast::__private::Step<Result<Id, Declined>>
where
    Order: 'a,
{
    #[allow(clippy::unused_async)]
    async fn __charge<'a>(
        client: &'a Client,
        mut card: String,
        r#type: u8,
        _lines: &[Line],
    ) -> Result<Id, Declined>
    where
        Order: 'a,
    {
        client.charge(card).await
    }
    #[allow(clippy::type_complexity)]
    const __RESULT: my::outlast::__private::Codec<Result<Id, Declined>> = my::outlast::__private::codec::<
        Result<Id, Declined>,
    >()
        .retry_when(|__result| match __result {
            my::outlast::__private::Err(__error) => is_transient(__error),
            my::outlast::__private::Ok(_) => false,
        });
    static __SPEC: my::outlast::__private::StepSpec = my::outlast::__private::StepSpec {
        name: "payments.charge",
        place: my::outlast::__private::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            module: ::core::module_path!(),
        },
        retry: my::outlast::__private::Retry {
            max_attempts: 5u32,
            factor: 2f64,
            initial: ::core::time::Duration::from_millis(200u64),
            max: ::core::time::Duration::from_millis(30000u64),
            limit: ::core::time::Duration::from_millis(600000u64),
        },
        timeout: ::core::option::Option::Some(
            ::core::time::Duration::from_millis(10000u64),
        ),
        secret: my::outlast::__private::Secret {
            arguments: &["card"],
            result: true,
        },
        ..my::outlast::__private::StepSpec::STEP
    };
    let __argument_0 = my::outlast::__private::skipped_argument::<Client, _>();
    let __argument_1 = my::outlast::__private::step_argument::<String, _>();
    let __argument_2 = my::outlast::__private::step_argument::<u8, _>();
    let __argument_3 = my::outlast::__private::step_argument::<[Line], _>();
    let mut __arguments = my::outlast::__private::Arguments::new(&__SPEC.secret);
    __arguments.step("card", &card, &__argument_1);
    __arguments.step("type", &r#type, &__argument_2);
    #[allow(clippy::used_underscore_binding)]
    __arguments.step("_lines", _lines, &__argument_3);
    my::outlast::__private::step(
        &__SPEC,
        __arguments,
        &__RESULT,
        move || {
            #[allow(clippy::used_underscore_binding)]
            let __kept = ::std::sync::Arc::new((
                __argument_0.own(client),
                card,
                r#type,
                __argument_3.own(_lines),
            ));
            move || {
                let __kept = ::core::clone::Clone::clone(&__kept);
                async move {
                    __charge(
                            &__kept.0,
                            __argument_1.own(&__kept.1),
                            __argument_2.own(&__kept.2),
                            &__kept.3,
                        )
                        .await
                }
            }
        },
    )
}
