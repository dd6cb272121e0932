use outlast::prelude::*;

trait Shop {
    #[step]
    async fn charge(cents: i64) -> Result<i64>;
}

fn main() {}
