use outlast::prelude::*;

struct Client;

#[step(skip(client))]
async fn charge(client: &Client, cents: i64) -> Result<i64> {
    let _ = client;
    Ok(cents)
}

fn main() {}
