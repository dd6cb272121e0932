//! Values under keys, shared by functions that keep no state.

use outlast::prelude::*;
use outlast::shared;

use crate::app;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[durable]
async fn add(user: String, item: String) -> Result<usize> {
    let cart = shared::<Cart>("carts", &user).update(move |cart| cart.items.push(item.clone())).await?;
    Ok(cart.items.len())
}

#[durable]
async fn look(user: String) -> Result<Option<Cart>> {
    shared::<Cart>("carts", &user).get().await
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_many_at_once_are_all_there() {
    let (app, _folder) = app().await;
    app.scope(async {
        let all: Vec<_> = (0..100).map(|n| add("ann".into(), n.to_string())).collect();
        let lengths = futures::future::try_join_all(all).await.unwrap();
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=100).collect::<Vec<_>>(), "each saw the ones before it");
        let cart = look("ann".into()).await.unwrap().unwrap();
        assert_eq!(cart.items.len(), 100);
        assert_eq!(look("bob".into()).await.unwrap(), None, "keys are apart");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_set_read_and_deleted() {
    let (app, _folder) = app().await;
    app.scope(async {
        let count = shared::<u32>("counts", &("visits", 2026));
        assert_eq!(count.get().await.unwrap(), None);
        count.set(&5).await.unwrap();
        assert_eq!(count.update(|count| *count += 2).await.unwrap(), 7);
        assert_eq!(count.get().await.unwrap(), Some(7));
        assert!(count.delete().await.unwrap());
        assert!(!count.delete().await.unwrap());
        assert_eq!(count.update(|count| *count += 1).await.unwrap(), 1, "begins with the default");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_that_panics_changes_nothing() {
    let (app, _folder) = app().await;
    app.scope(async {
        let count = shared::<u32>("counts", "a");
        count.set(&5).await.unwrap();
        let error = count.update(|_| panic!("out of range")).await.unwrap_err();
        assert!(error.to_string().contains("out of range"), "{error}");
        assert_eq!(count.get().await.unwrap(), Some(5));
    })
    .await;
}
