use outlast::prelude::*;

#[step(timeuot = "10s")]
async fn charge(cents: i64) -> Result<i64> {
    Ok(cents)
}

// One error above, and none here: the step is there with its arguments.
#[durable]
async fn checkout(cents: i64) -> Result<i64> {
    charge(cents).await
}

fn main() {}
