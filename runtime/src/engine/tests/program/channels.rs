//! Branches of a program that wake each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::future::{FutureExt, join_all, select_all};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};

use super::operation::{Leaf, call, number, sum};
use super::{Channel, Node, run};
use crate::engine::tests::probe::note;

/// A branch's end of a channel: what it has heard.
type Ear<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;
/// The sender's end: tells all ears.
type Mouth = Box<dyn FnOnce(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

fn oneshots(ears: usize) -> (Vec<Ear<'static>>, Mouth) {
    let (mouths, ears): (Vec<_>, Vec<_>) = (0..ears).map(|_| oneshot::channel()).unzip();
    let tell = |value| async move {
        for mouth in mouths {
            let _ = mouth.send(value);
        }
    };
    let ear = |ear: oneshot::Receiver<u64>| -> Ear<'static> { Box::pin(ear.map(|heard| heard.unwrap_or(6_000))) };
    (ears.into_iter().map(ear).collect(), Box::new(|value| Box::pin(tell(value))))
}

/// Three rounds over channels with room for one message.
fn queues(ears: usize) -> (Vec<Ear<'static>>, Mouth) {
    let (mouths, ears): (Vec<_>, Vec<_>) = (0..ears).map(|_| mpsc::channel::<u64>(1)).unzip();
    let tell = |value| async move {
        for round in 0..3 {
            for mouth in &mouths {
                let _ = mouth.send(value + round).await;
            }
        }
    };
    let ear = |mut ear: mpsc::Receiver<u64>| -> Ear<'static> {
        Box::pin(async move {
            let mut heard = 0;
            while let Some(value) = ear.recv().await {
                heard += value;
            }
            heard
        })
    };
    (ears.into_iter().map(ear).collect(), Box::new(|value| Box::pin(tell(value))))
}

fn watches(ears: usize) -> (Vec<Ear<'static>>, Mouth) {
    let (mouth, first) = watch::channel(0);
    let ear = |mut ear: watch::Receiver<u64>| -> Ear<'static> {
        Box::pin(async move {
            let changed = ear.changed().await.is_ok();
            let heard = *ear.borrow();
            if changed { heard } else { 6_001 }
        })
    };
    let ears = (0..ears).map(|_| ear(first.clone())).collect();
    (ears, Box::new(|value| Box::pin(async move { mouth.send(value).unwrap_or_default() })))
}

fn broadcasts(ears: usize) -> (Vec<Ear<'static>>, Mouth) {
    let (mouth, _) = broadcast::channel(4);
    let ear = |mut ear: broadcast::Receiver<u64>| -> Ear<'static> {
        Box::pin(async move { ear.recv().await.unwrap_or(6_002) })
    };
    let ears = (0..ears).map(|_| ear(mouth.subscribe())).collect();
    (ears, Box::new(|value| Box::pin(async move { drop(mouth.send(value)) })))
}

/// One each: a permit is kept for who comes later.
fn notifies(ears: usize) -> (Vec<Ear<'static>>, Mouth) {
    let mouths: Vec<_> = (0..ears).map(|_| Arc::new(Notify::new())).collect();
    let ear = |ear: Arc<Notify>| -> Ear<'static> {
        Box::pin(async move {
            ear.notified().await;
            6_003
        })
    };
    let ears = mouths.iter().cloned().map(ear).collect();
    (
        ears,
        Box::new(|_| {
            Box::pin(async move {
                for mouth in mouths {
                    mouth.notify_one();
                }
            })
        }),
    )
}

/// A sender's branch tells every receiver's branch; a receiver that hears nothing goes on too.
pub(super) async fn talk(channel: Channel, sender: &Node, receivers: &[Node], last: u64) -> u64 {
    let (ears, tell) = match channel {
        Channel::Oneshot => oneshots(receivers.len()),
        Channel::Mpsc => queues(receivers.len()),
        Channel::Watch => watches(receivers.len()),
        Channel::Broadcast => broadcasts(receivers.len()),
        Channel::Notify => notifies(receivers.len()),
    };
    let sends = async move {
        let value = number(run(sender, last).await);
        tell(value % 10).await;
        value
    };
    let listens = join_all(ears.into_iter().zip(receivers).enumerate().map(|(at, (ear, node))| async move {
        let value = ear.await;
        note(format!("heard {at}: {value}"));
        number(run(node, value).await)
    }));
    let (sent, heard) = tokio::join!(sends, listens);
    sum([sent, sum(heard)])
}

/// One outcome feeds several channels, which a `select!` awaits.
pub(super) async fn feed(leaf: Leaf, ways: u8, last: u64) -> u64 {
    let (mut mouths, mut ears) = (Vec::new(), Vec::new());
    for _ in 0..ways.max(2) {
        let (mouth, ear) = oneshot::channel::<u64>();
        mouths.push(mouth);
        ears.push(ear);
    }
    let feeds = async {
        let value = number(call(leaf, last).await);
        for mouth in mouths {
            let _ = mouth.send(value);
        }
        value
    };
    let (mut one, mut other) = (ears.swap_remove(0), ears.swap_remove(0));
    let takes = async {
        tokio::select! {
            biased;
            value = &mut one => (0, value.unwrap_or(0)),
            value = &mut other => (1, value.unwrap_or(0)),
        }
    };
    let (fed, (way, value)) = tokio::join!(feeds, takes);
    note(format!("fed {way}"));
    sum([fed, way, value])
}

pub(super) async fn shared(leaf: Leaf, rest: &[Node], joined: bool, last: u64) -> u64 {
    let one = call(leaf, last).map(number).shared();
    let branches = rest.iter().enumerate().map(|(at, node)| {
        let one = one.clone();
        Box::pin(async move {
            let value = one.await;
            note(format!("shared {at}"));
            number(run(node, value).await)
        })
    });
    let branches: Vec<_> = branches.collect();
    if branches.is_empty() {
        return one.await;
    }
    if joined { sum(join_all(branches).await) } else { select_all(branches).await.0 }
}
