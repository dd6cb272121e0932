//! How many connections a process has: of cloud functions hundreds start at once.

use std::sync::atomic::AtomicUsize;

use mongodb::event::cmap::CmapEvent;
use mongodb::options::ServerMonitoringMode;

use super::*;
use crate::store::conformance::case::{call, insert, step};

/// The connections in a store's pools: now, and the most that there were.
#[derive(Clone, Default)]
pub(in crate::store::mongodb) struct Pooled(Arc<(AtomicUsize, AtomicUsize)>);

impl Pooled {
    pub(in crate::store::mongodb) fn count(&self, event: &CmapEvent) {
        let (now, most) = &*self.0;
        match event {
            CmapEvent::ConnectionCreated(_) => {
                let open = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(open, Ordering::SeqCst);
            }
            CmapEvent::ConnectionClosed(_) => drop(now.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// A busy store: the most connections in its pools, with parameters for its URI.
async fn most(parameters: &str) -> usize {
    let pooled = Pooled::default();
    let mut options = hasty(&server::new_database());
    options.uri = format!("{}{parameters}", server::uri());
    options.pooled = Some(pooled.clone());
    let (case, store) = case_on(options).await;
    // One connection to each server for each client is a monitor's: it polls.
    let mode = store.shared.client_options.server_monitoring_mode.clone();
    assert!(matches!(mode, Some(ServerMonitoringMode::Poll)), "{mode:?}");
    let claimed = case.owned("a").await.unwrap();
    let work = (0..60).map(|number| {
        let (store, case, claimed) = (store.clone(), &case, &claimed);
        async move {
            store.create(call(&format!("{number}"), number)).await.unwrap();
            store.data(insert("customers", doc! { "_id": i32::from(number) }).unwrap()).await.unwrap();
            case.must(claimed, step(&format!("{number}"), number)).await.unwrap();
        }
    });
    futures::future::join_all(work).await;
    // The leases have had their turns.
    tokio::time::sleep(Duration::from_millis(500)).await;
    store.close().await;
    pooled.most()
}

/// Monitors of the two clients.
const MONITORS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_cold_starts_fit_into_a_small_server() {
    let most = most("").await;
    // Three for work, one for the leases, one for the change stream.
    assert!((4..=5).contains(&most), "{most}");
    assert!(200 * (most + MONITORS) <= 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uri_says_how_many_connections() {
    let wide = most("&maxPoolSize=12").await;
    assert!((8..=14).contains(&wide), "{wide}");
    let narrow = most("&maxPoolSize=1&minPoolSize=1").await;
    assert!((2..=3).contains(&narrow), "{narrow}");
    // What the URI keeps at least is more than outlast would have at most.
    let kept = most("&minPoolSize=6").await;
    assert!((6..=8).contains(&kept), "{kept}");
}
