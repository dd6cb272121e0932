//! How many groups the writer has committed, as it says itself on the target `outlast::group`.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static GROUPS: AtomicU64 = AtomicU64::new(0);

struct Count;

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        GROUPS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Begins to count in this process; whatever else is logged stays off.
pub(crate) fn count() {
    let only = Targets::new().with_target("outlast::group", tracing::Level::TRACE);
    let _ = tracing_subscriber::registry().with(Count.with_filter(only)).try_init();
}

/// Groups committed since the last call.
pub(crate) fn take() -> u64 {
    GROUPS.swap(0, Ordering::Relaxed)
}
