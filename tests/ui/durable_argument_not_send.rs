use std::marker::PhantomData;
use std::rc::Rc;

use outlast::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: String,
    counted: PhantomData<Rc<()>>,
}

#[durable]
async fn checkout(order: Order, copies: u8) -> Result<u8> {
    drop(order.id);
    Ok(copies)
}

fn main() {}
