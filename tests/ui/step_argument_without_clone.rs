use outlast::prelude::*;

#[derive(Serialize)]
struct Order {
    id: String,
}

#[step]
async fn charge(order: &Order) -> Result<()> {
    drop(order.id.len());
    Ok(())
}

#[step]
async fn refund(order: Order) -> Result<()> {
    drop(order.id.len());
    Ok(())
}

fn main() {}
