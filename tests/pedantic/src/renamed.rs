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

/// Writes a function of each kind, as a crate of macros would.
#[macro_export]
macro_rules! functions {
    ($(#[$attribute:meta])* $visibility:vis $durable:ident, $step:ident($argument:ident: $value:ty, $borrowed:ty) within $time:literal $body:block) => {
        $(#[$attribute])*
        #[outlast::durable(crate = $crate::renamed::framework::engine, timeout = $time)]
        $visibility async fn $durable($argument: $value) -> Result<String> $body

        $(#[$attribute])*
        #[outlast::step(crate = $crate::renamed::framework::engine, timeout = $time, secret($argument))]
        $visibility async fn $step($argument: $borrowed) -> Result<String> {
            Ok($argument.to_owned())
        }
    };
}

functions! {
    /// Written by a macro.
    pub written, written_step(word: String, &str) within "10s" {
        written_step(&word).await
    }
}
