//! The crate under another path.

/// Re-exports.
pub mod framework {
    pub use outlast as engine;
}

use framework::engine::Result;

/// A durable function.
#[outlast::durable(crate = crate::renamed::framework::engine)]
pub async fn kept(word: String) -> Result<String> {
    pass(&word).await?;
    write(&word).await
}

/// A step.
#[outlast::step(crate = super::renamed::framework::engine)]
pub async fn pass(word: &str) -> Result<String> {
    Ok(word.to_owned())
}

/// A transaction.
#[outlast::transaction(crate = framework::engine, secret(word))]
pub async fn write(word: &str) -> Result<String> {
    Ok(word.to_owned())
}
