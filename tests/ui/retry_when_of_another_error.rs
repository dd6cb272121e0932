use outlast::prelude::*;

fn is_transient(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::TimedOut
}

#[step(retry(when = is_transient))]
async fn charge() -> Result<()> {
    Ok(())
}

fn main() {}
