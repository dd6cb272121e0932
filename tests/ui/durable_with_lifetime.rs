use outlast::prelude::*;

#[durable]
async fn checkout<'a>(id: std::borrow::Cow<'a, str>) -> Result<()> {
    drop(id);
    Ok(())
}

fn main() {}
