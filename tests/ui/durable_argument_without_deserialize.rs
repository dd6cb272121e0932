use outlast::prelude::*;

#[derive(Clone, Serialize)]
struct Order;

#[durable]
async fn checkout(order: Order, copies: u8) -> Result<u8> {
    drop(order);
    Ok(copies)
}

fn main() {}
