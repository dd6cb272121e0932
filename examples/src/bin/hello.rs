//! The README's first program: a greeting that outlasts its process.

// The README shows what follows.
// readme: begin
use outlast::prelude::*;

/// Greets now and again five seconds later, even if the process dies in between.
#[durable]
async fn greet(name: String) -> Result<String> {
    say("hello", &name).await?;
    outlast::sleep("5s").await?;
    say("still here", &name).await
}

#[step]
async fn say(word: &str, name: &str) -> Result<String> {
    let line = format!("{word}, {name}");
    eprintln!("{line}");
    Ok(line)
}

#[outlast::main]
async fn main() -> Result<()> {
    App::from_env().run().await
}
// readme: end
