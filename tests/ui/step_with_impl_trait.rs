use outlast::prelude::*;

#[step]
async fn charge(id: impl Into<String>) -> Result<impl Clone> {
    Ok(id.into())
}

fn main() {}
