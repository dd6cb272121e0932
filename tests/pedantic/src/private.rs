//! Private functions over private types, in a private module, that nothing in the crate calls.

use outlast::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Secret {
    word: String,
}

#[durable]
async fn kept(secret: Secret) -> Result<Secret> {
    pass(&secret).await
}

#[step]
async fn pass(secret: &Secret) -> Result<Secret> {
    Ok(secret.clone())
}

mod inside {
    use outlast::prelude::*;

    #[durable]
    pub(super) async fn kept(secret: super::Secret) -> Result<String> {
        Ok(secret.word)
    }
}

#[cfg(any())]
#[durable]
async fn left_out(missing: Missing) -> Result<Missing> {
    Ok(missing)
}

#[durable]
#[cfg(any())]
async fn left_out_later(missing: Missing) -> Result<Missing> {
    Ok(missing)
}
