//! Durable functions.

use outlast::prelude::*;

use crate::steps::{Declined, Order, charge, label};

/// Nothing in, nothing out.
#[durable]
pub async fn nothing() -> Result<()> {
    Ok(())
}

/// Goes on after its last finished step,
/// whatever kills the container.
///
/// # Errors
/// When the card does.
#[durable(name = "checkout", version = 2, timeout = "2h", secret(note), secret)]
pub async fn checkout(mut order: Order, note: String) -> Result<String> {
    order.cents += 1;
    let (label, charge) = tokio::try_join!(
        label(&order, &order),
        charge(&order, &note, &[], std::path::Path::new("/"), order.clone(), 1, "", None)
    )?;
    tokio::select! {
        done = nothing() => done?,
        done = nothing() => done?,
    }
    Ok(label + &charge.0)
}

/// As many arguments as anybody writes.
#[durable]
pub async fn many(
    first: u8,
    second: u16,
    third: u32,
    fourth: u64,
    fifth: i8,
    sixth: i16,
    seventh: i32,
    eighth: i64,
    ninth: char,
    tenth: bool,
    eleventh: Option<String>,
    twelfth: std::collections::BTreeMap<String, Vec<Option<(u8, String)>>>,
) -> Result<String, Declined> {
    Ok(format!("{first}{second}{third}{fourth}{fifth}{sixth}{seventh}{eighth}{ninth}{tenth}{eleventh:?}{twelfth:?}"))
}

/// Calls itself, and what stands inside of it.
#[durable]
pub async fn nested(depth: u8) -> Result<u8> {
    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    struct Inner {
        depth: u8,
    }

    /// Free to use the clock.
    #[step]
    async fn inner(inner: Inner) -> Result<u128> {
        let now = std::time::SystemTime::now();
        tokio::time::sleep(std::time::Duration::ZERO).await;
        Ok(now.elapsed().map_or(0, |time| time.as_nanos() + u128::from(inner.depth)))
    }

    #[durable]
    async fn deeper(_depth: u8) -> Result<()> {
        Ok(())
    }

    inner(Inner { depth }).await?;
    deeper(depth).await?;
    if depth == 0 { Ok(0) } else { nested(depth - 1).await }
}

/// Named like what is written beside it.
#[durable]
pub async fn write(word: String) -> Result<String> {
    read(word).await
}

/// Named like what is written beside it.
#[durable]
pub async fn read(word: String) -> Result<String> {
    begin(word).await
}

/// Named like what is written beside it.
#[durable]
pub async fn begin(word: String) -> Result<String> {
    durable_begin(word).await
}

/// Named like what is written beside it.
#[durable]
pub async fn durable_begin(word: String) -> Result<String> {
    Ok(word)
}
