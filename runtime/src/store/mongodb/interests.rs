//! What has been asked of this handle of late: events about anything else are passed over.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::{RawBsonRef, RawDocument};

use super::shared::Shared;
use crate::hashing::FastSet;
use crate::store::ExecutionId;

/// Who waits for ends asks at least so often.
const ASKED: Duration = Duration::from_secs(10);
/// The most ends that are kept for who looks next.
const MOST: usize = 10_000;

/// What has been asked of this handle of late.
#[derive(Default)]
pub(super) struct Interests {
    /// The functions that its worker has; `None` before anyone has asked what is due.
    codes: Mutex<Option<HashSet<String>>>,
    ends: Mutex<Ends>,
    /// A stream is open, so that changes are told.
    followed: AtomicBool,
}

/// What is told of ends while someone waits for any.
#[derive(Default)]
struct Ends {
    /// When they were last asked for.
    asked: Option<Instant>,
    /// Those that were told of since the last look; `None` if some may have been missed.
    told: Option<FastSet<ExecutionId>>,
}

impl Interests {
    /// Someone asks what is due of these functions.
    pub(super) fn in_due(&self, codes: impl Iterator<Item = String>) {
        let mut known = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        known.extend(codes);
    }

    /// Whether a change stream is open.
    pub(super) fn are_followed(&self) -> bool {
        self.followed.load(Ordering::Acquire)
    }

    /// A change stream was opened, or has ended: either way something may have been missed.
    pub(super) fn follow(&self, followed: bool) {
        self.followed.store(followed, Ordering::Release);
        self.ends().told = None;
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Someone waits for ends.
    pub(super) fn in_ends(&self) {
        self.ends().asked = Some(Instant::now());
    }

    /// The executions that were told of since the last call; `None` if some may have been missed.
    pub(super) fn told_ends(&self) -> Option<Vec<ExecutionId>> {
        let told = self.ends().told.replace(FastSet::default())?;
        self.are_followed().then(|| told.into_iter().collect())
    }

    /// One that has ended, or waits for nothing any more.
    fn tell_of(&self, id: &str) {
        let mut ends = self.ends();
        let Some(told) = &mut ends.told else { return };
        told.insert(ExecutionId(id.into()));
        // Nobody looks.
        if told.len() > MOST {
            ends.told = None;
        }
    }

    fn waits_for_ends(&self) -> bool {
        self.ends().asked.is_some_and(|asked| asked.elapsed() < ASKED)
    }

    fn has_code(&self, code: &str) -> bool {
        let known = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_none_or(|known| known.contains(code))
    }
}

/// Whether an event may matter to a worker of this handle, or to a caller that waits here.
pub(super) fn concerns(shared: &Shared, event: &RawDocument) -> bool {
    let interests = &shared.interests;
    if interests.waits_for_ends() && may_end(event) {
        if let Ok(id) = event.get_document("documentKey").and_then(|key| key.get_str("_id")) {
            interests.tell_of(id);
        }
        return true;
    }
    if let Ok(code) = event.get_str("new").or_else(|_| event.get_str("queue")) {
        return interests.has_code(code);
    }
    if has(event, "due") {
        return true;
    }
    let Ok(bell) = event.get_str("bell") else { return false };
    let owner = bell.split(' ').next().unwrap_or_default();
    shared.claims.standing().iter().any(|worker| &*worker.0 == owner)
}

/// Whether an execution may have ended, or been parked. An end counts once its watchers have been told: then it forgets
/// that they have to be.
fn may_end(event: &RawDocument) -> bool {
    let removed = |field: &str| {
        let all = event.get_array("removed").into_iter().flatten().flatten();
        all.filter_map(RawBsonRef::as_str).any(|removed| removed == field)
    };
    has(event, "status") || removed("tell")
}

fn has(event: &RawDocument, field: &str) -> bool {
    matches!(event.get(field), Ok(Some(value)) if value.as_null().is_none())
}
