/// The shop.
#[allow(clippy::large_futures)]
fn main() -> ::std::process::ExitCode {
    #[allow(clippy::unused_async)]
    async fn __main() -> outlast::Result<()> {
        App::from_env().run().await
    }
    my::outlast::__private::main(
        ::core::option::Option::Some(4u32 as ::core::primitive::usize),
        __main,
    )
}
