use outlast::prelude::*;

#[derive(Serialize)]
struct Receipt;

#[step]
async fn charge() -> Result<Receipt> {
    Ok(Receipt)
}

fn main() {}
