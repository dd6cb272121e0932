use outlast::prelude::*;

#[derive(Clone)]
struct Client;

#[step]
async fn charge(client: Client, cents: i64) -> Result<i64> {
    drop(client);
    Ok(cents)
}

fn main() {}
