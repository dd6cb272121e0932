use outlast::prelude::*;

struct Shop;

impl Shop {
    #[step]
    async fn charge(&self, cents: i64) -> Result<i64> {
        Ok(cents)
    }

    #[step]
    async fn open(shop: Self) -> Result<()> {
        drop(shop);
        Ok(())
    }
}

fn main() {}
