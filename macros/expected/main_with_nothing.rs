fn main() -> ::std::process::ExitCode {
    #[allow(clippy::unused_async)]
    async fn __main() {
        run().await
    }
    async fn __run() -> ::outlast::__private::Result<()> {
        __main().await;
        ::outlast::__private::Ok(())
    }
    ::outlast::__private::main(::core::option::Option::None, __run)
}
