//! Steps and transactions.

use std::path::Path;
use std::sync::Arc;

use outlast::prelude::*;

/// What is bought.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Which one.
    pub id: String,
    /// For how much.
    pub cents: i64,
}

/// A typed error.
#[derive(Debug, Serialize, Deserialize)]
pub enum Declined {
    /// For good.
    Stolen,
    /// For now.
    Busy,
    /// What isn't ours.
    Outlast(outlast::Error),
}

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

impl From<outlast::Error> for Declined {
    fn from(error: outlast::Error) -> Self {
        Self::Outlast(error)
    }
}

const fn is_transient(error: &Declined) -> bool {
    matches!(error, Declined::Busy)
}

/// What can't be recorded.
#[derive(Debug, Clone, Default)]
pub struct Client(Arc<()>);

impl Client {
    async fn pay(&self, cents: i64) -> Result<i64> {
        let _ = Arc::clone(&self.0);
        tokio::task::yield_now().await;
        Ok(cents)
    }
}

/// Nothing in, nothing out.
#[step]
pub async fn nothing() -> Result<()> {
    Ok(())
}

/// Every kind of argument.
#[step(retry(max_attempts = 5, initial = "200ms", factor = 2.0, max = "30s", limit = "10m"), timeout = "10s")]
pub async fn charge(
    order: &Order,
    note: &str,
    lines: &[Order],
    at: &Path,
    by: Order,
    mut times: u8,
    fixed: &'static str,
    maybe: Option<String>,
) -> Result<(String, u8)> {
    times += 1;
    tokio::task::yield_now().await;
    Ok((format!("{order:?}{note}{lines:?}{}{by:?}{fixed}{maybe:?}", at.display()), times))
}

/// As many arguments as anybody writes.
#[step(name = "orders.many", secret(first, twelfth), secret)]
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
    eleventh: String,
    twelfth: Vec<u8>,
) -> Result<String> {
    Ok(format!("{first}{second}{third}{fourth}{fifth}{sixth}{seventh}{eighth}{ninth}{tenth}{eleventh}{twelfth:?}"))
}

/// What isn't recorded is still cloned.
#[step(skip(client), at_most_once)]
pub(crate) async fn pay(client: &Client, order: &Order) -> Result<i64> {
    client.pay(order.cents).await
}

/// Nothing is recorded.
#[step(skip(client))]
pub(crate) async fn balance(client: Client) -> Result<i64> {
    client.pay(0).await
}

/// A typed error and the user's word on it.
#[step(retry(when = is_transient))]
pub async fn capture(order: &Order) -> Result<i64, Declined> {
    if order.cents < 0 { Err(Declined::Stolen) } else { Ok(order.cents) }
}

/// A named lifetime that is needed for nothing.
#[step]
#[must_use = "the label is what was paid for"]
pub async fn label<'order>(first: &'order Order, second: &'order Order) -> std::result::Result<String, outlast::Error>
where
    Order: 'order,
{
    Ok(format!("{}{}", first.id, second.id))
}

/// An argument that the body has no use for.
#[step]
pub async fn ignore(_order: &Order, r#type: u8) -> Result<u8> {
    Ok(r#type)
}

/// A name of its own for the error.
///
/// # Errors
/// When the store says no.
#[transaction(retry(max_attempts = 3), skip(client))]
#[inline]
pub async fn reserve(order: &Order, client: &Client) -> Result<()> {
    client.pay(order.cents).await?;
    Ok(())
}

/// Calls everything.
///
/// # Errors
/// Whatever they say.
pub async fn all(order: Order) -> Result<()> {
    nothing().await?;
    charge(&order, "", &[], Path::new("/"), order.clone(), 1, "", None).await?;
    many(1, 2, 3, 4, 5, 6, 7, 8, '9', true, String::new(), Vec::new()).await?;
    pay(&Client::default(), &order).await?;
    balance(Client::default()).await?;
    ignore(&order, 1).await?;
    label(&order, &order).await?;
    capture(&order).await.map_err(outlast::Error::from)?;
    reserve(&order, &Client::default()).await
}
