//! Inserting rows until their fate is known: written, or fenced.
//!
//! The `_id` of a row is its place, so a row that is there already is this one if its epoch is, and a fence or a later
//! owner's otherwise.

use bson::Document;
use mongodb::error::ErrorKind as DriverKind;

use super::failure::{DUPLICATE_KEY, Failure};
use super::shared::{Pause, Shared};
use crate::store::{Epoch, ExecutionId};

/// A row, or an attempt, at its place.
pub(super) struct Placed {
    pub(super) execution: ExecutionId,
    pub(super) epoch: Epoch,
    pub(super) place: i64,
    pub(super) document: Document,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there.
    Written,
    /// Its execution was taken back.
    Fenced,
    /// The store was closed, and gave up.
    Closed,
}

/// How one insert went.
enum Sent {
    All,
    /// Those before are in; this one's place is taken.
    Taken(usize),
    /// Those before are in; the rest isn't known.
    Unknown(usize, Failure),
}

impl Shared {
    /// Inserts rows of any executions, those of one in order. Tells the fate of each, as it is known.
    pub(super) async fn insert_rows(&self, rows: Vec<Placed>, mut tell: impl FnMut(usize, Fate)) {
        let mut left: Vec<(usize, &Placed)> = rows.iter().enumerate().collect();
        let mut pause = Pause::new();
        // Whether more than the first of those left may be there already.
        let mut doubtful = false;
        while !left.is_empty() {
            let (known, failure) = match self.send(&left).await {
                Sent::All => (left.len(), None),
                Sent::Taken(index) => (index, None),
                Sent::Unknown(index, failure) => (index, Some(failure)),
            };
            for (number, _) in left.drain(..known) {
                tell(number, Fate::Written);
            }
            if left.is_empty() {
                return;
            }
            let failure = match failure {
                Some(failure) => Some(failure),
                None => self.look_at_places(&mut left, doubtful, &mut tell).await.err(),
            };
            if let Some(failure) = failure {
                doubtful = true;
                if !pause.after(self, &failure).await {
                    left.drain(..).for_each(|(number, _)| tell(number, Fate::Closed));
                }
            }
        }
    }

    async fn send(&self, rows: &[(usize, &Placed)]) -> Sent {
        let documents = rows.iter().map(|(_, row)| &row.document);
        let sent = self.driven(self.tables.log.insert_many(documents).ordered(true)).await;
        match sent {
            Ok(Ok(_)) => Sent::All,
            Ok(Err(error)) => {
                let failure = Failure::of(&error, &self.redaction);
                match &*error.kind {
                    // Not on most members: nothing of it is known.
                    DriverKind::InsertMany(failed) if failed.write_concern_error.is_some() => Sent::Unknown(0, failure),
                    DriverKind::InsertMany(failed) => match failed.write_errors.as_ref().and_then(|all| all.first()) {
                        Some(first) if first.code == DUPLICATE_KEY => Sent::Taken(first.index),
                        Some(first) => Sent::Unknown(first.index, failure),
                        None => Sent::Unknown(0, failure),
                    },
                    _ => Sent::Unknown(0, failure),
                }
            }
            Err(failure) => Sent::Unknown(0, failure),
        }
    }

    /// The first place is taken: by this very row, or by a fence. After a reply was lost, all are looked at.
    async fn look_at_places(
        &self,
        left: &mut Vec<(usize, &Placed)>,
        all: bool,
        tell: &mut impl FnMut(usize, Fate),
    ) -> Result<(), Failure> {
        let looked = if all { left.len() } else { 1 };
        let places: Vec<_> = left[..looked].iter().map(|(_, row)| (row.execution.clone(), row.place)).collect();
        let found = self.at_places(&places).await?;
        let mut fenced: Vec<ExecutionId> = Vec::new();
        let first = left.first().map(|(number, _)| *number);
        let mut settled = false;
        left.retain(|(number, row)| {
            if fenced.contains(&row.execution) {
                tell(*number, Fate::Fenced);
                return false;
            }
            match found.get(&(row.execution.clone(), row.place)) {
                Some((epoch, false)) if *epoch == row.epoch.0 as i64 => tell(*number, Fate::Written),
                Some(_) => {
                    fenced.push(row.execution.clone());
                    tell(*number, Fate::Fenced);
                }
                None => return true,
            }
            settled |= Some(*number) == first;
            false
        });
        // Taken, and not on most members yet: it will be, or be gone.
        if settled { Ok(()) } else { Err(Failure::Unreachable("a write isn't on most members yet".into())) }
    }
}
