#![no_implicit_prelude]
#![deny(warnings)]

#[::outlast::step]
async fn one(n: u32, of: &str) -> ::outlast::Result<u32> {
    let _ = of;
    ::outlast::Result::Ok(n)
}

#[::outlast::transaction]
async fn keep(n: u32) -> ::outlast::Result<u32> {
    ::outlast::Result::Ok(n)
}

#[::outlast::durable(secret(n))]
async fn all(n: u32) -> ::outlast::Result<u32> {
    let n = one(n, "all").await?;
    keep(n).await
}

#[::outlast::main]
async fn main() -> ::outlast::Result<()> {
    ::std::mem::drop(all(1));
    ::outlast::Result::Ok(())
}
