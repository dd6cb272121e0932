//! Claiming what is due: candidates by an index, one conditional update for all of them, then what was got is read.

use std::sync::Arc;
use std::time::Instant;

use bson::{Bson, doc};
use mongodb::options::Hint;

use super::claims::{Claim, Mail};
use super::executions::Execution;
use super::failure::Failure;
use super::handover::Handover;
use super::log::LOGS_AT_ONCE;
use super::schema::{DUE, OPEN};
use super::shared::Shared;
use super::{executions::code, random};
use crate::error::{Error, ErrorKind, Result};
use crate::hashing::FastMap;
use crate::store::{ClaimRequest, Claimed, Epoch, ExecutionId, Message, Slot, Stamp, WorkerId};

/// How often others may take what was found before this look ends.
const TRIES: usize = 3;
/// Among how many, in multiples of what is asked for, is chosen at random once others were quicker.
const WINDOW: usize = 8;
const WIDEST: usize = 5_000;

/// The worker isn't registered here, or has been taken off the list.
fn not_standing(worker: &WorkerId) -> Error {
    Error::of(
        ErrorKind::Unavailable,
        format!("worker {} is not on the store's list (any more): register again", worker.0),
    )
}

/// The functions of a request as `queue` has them.
pub(super) fn codes(request: &ClaimRequest) -> Bson {
    let codes: Vec<Bson> =
        request.functions.iter().map(|(function, version)| code(function, *version).into()).collect();
    match <[Bson; 1]>::try_from(codes) {
        Ok([one]) => one,
        Err(codes) => doc! { "$in": codes }.into(),
    }
}

impl Shared {
    /// Claims due executions. Those that nobody takes delivery of are given back, one after the other: so who asks waits
    /// for the answer of a server that is away meanwhile.
    pub(super) fn claim_for(
        self: &Arc<Self>,
        request: ClaimRequest,
    ) -> impl Future<Output = Result<Vec<Claimed>>> + Send + use<> {
        let shared = self.clone();
        let request = Arc::new(request);
        async move {
            let handover = shared.ask_patiently(move |shared| {
                let request = request.clone();
                async move {
                    if !shared.claims.stands(&request.worker) {
                        return Err(not_standing(&request.worker).into());
                    }
                    let claimed = shared.claim(&request).await?;
                    let claims = claimed.iter().map(|claimed| (claimed.id.clone(), claimed.epoch)).collect();
                    Ok(Handover { value: Some(claimed), claims, shared })
                }
            });
            handover.await?.take()
        }
    }

    async fn claim(self: &Arc<Self>, request: &ClaimRequest) -> Result<Vec<Claimed>, Failure> {
        let mut claimed = Vec::new();
        for attempt in 0..TRIES {
            let wanted = request.limit - claimed.len();
            if wanted == 0 || request.functions.is_empty() {
                break;
            }
            let crowded = attempt > 0;
            let found = self.candidates(request, wanted, crowded).await?;
            let looked = found.len();
            if found.is_empty() {
                break;
            }
            let begun = Instant::now();
            let got = self.take(&request.worker, found).await?;
            self.batch.took(got.len(), begun.elapsed(), self.options.lease);
            // Others are at it: the next look goes elsewhere.
            let enough = got.len() * 2 >= looked;
            claimed.extend(got);
            if enough {
                break;
            }
        }
        Ok(claimed)
    }

    /// Ids of the oldest that are due; where it is crowded, some of the oldest.
    async fn candidates(
        &self,
        request: &ClaimRequest,
        wanted: usize,
        crowded: bool,
    ) -> Result<Vec<ExecutionId>, Failure> {
        let window = if crowded { (wanted * WINDOW).min(WIDEST).max(wanted) } else { wanted };
        let due = doc! { "queue": codes(request), "due": { "$lte": Stamp::now().0 } };
        let find = self.tables.executions.find(due).sort(doc! { "due": 1 }).hint(Hint::Name(DUE.into()));
        let find = find.projection(doc! { "_id": 1 }).limit(i64::try_from(window).unwrap_or(i64::MAX));
        let cursor = self.command(find).await?;
        let found = self.gather(cursor).await?;
        let ids: Result<Vec<_>, _> = found.into_iter().map(|found| Execution(found).id()).collect();
        let mut ids = ids?;
        if crowded && ids.len() > wanted {
            let from = usize::from(u16::from_le_bytes(random()?)) % (ids.len() - wanted + 1);
            ids = ids.split_off(from);
            ids.truncate(wanted);
        }
        Ok(ids)
    }

    /// Takes those that are still free, and reads them.
    async fn take(self: &Arc<Self>, worker: &WorkerId, ids: Vec<ExecutionId>) -> Result<Vec<Claimed>, Failure> {
        let token = crate::digest::hex(&random::<12>()?);
        let now = Stamp::now();
        let among = doc! { "$in": ids.iter().map(|id| Bson::from(&*id.0)).collect::<Vec<_>>() };
        let free = doc! {
            "_id": among.clone(), "owner": { "$exists": false }, "status": OPEN, "due": { "$lte": now.0 },
        };
        let set = doc! {
            "owner": &*worker.0,
            "token": &*token,
            "epoch": { "$add": ["$epoch", 1_i64] },
            "started": { "$ifNull": ["$started", { "$max": [now.0, "$created"] }] },
            "due": "$$REMOVE",
            "queue": "$$REMOVE",
        };
        self.point("before-commit", || "claim".to_owned());
        // From here on some may be ours, whatever happens: it is found out, or they are lost until this worker goes.
        let closed = || Failure::Unreachable("the store was closed".into());
        let found = self.persist(|| async {
            let update = self.tables.executions.update_many(free.clone(), vec![doc! { "$set": set.clone() }]);
            self.command(update).await?;
            self.point("after-commit", || "claim unread".to_owned());
            let mine = doc! { "_id": among.clone(), "token": &*token };
            let cursor = self.command(self.tables.executions.find(mine)).await?;
            let found = self.gather(cursor).await?;
            let is_mine = |found: &bson::Document| found.get_str("token").is_ok_and(|found| found == token);
            if found.iter().all(is_mine) { Ok(found) } else { Err(Failure::astray()) }
        });
        let found = found.await.ok_or_else(closed)?;
        let mut claimed = Vec::with_capacity(found.len());
        // What has been read is never read again, or a line that breaks now and then would let none of many come to an end.
        for some in found.chunks(LOGS_AT_ONCE) {
            claimed.extend(self.persist(|| self.legible(worker, some)).await.ok_or_else(closed)?);
        }
        if let Some(first) = claimed.first() {
            self.point("after-commit", || format!("claim {}", first.function));
        }
        let place: FastMap<_, _> = ids.into_iter().enumerate().map(|(place, id)| (id, place)).collect();
        claimed.sort_by_key(|claimed| place.get(&claimed.id).copied());
        Ok(claimed)
    }

    /// What can be read of claims. One that is damaged holds nobody up: it stays with this worker, and with the next.
    async fn legible(self: &Arc<Self>, worker: &WorkerId, found: &[bson::Document]) -> Result<Vec<Claimed>, Failure> {
        match self.filled(worker, found.to_vec()).await {
            Err(Failure::Damaged(_)) => {}
            read => return read,
        }
        let mut all = Vec::with_capacity(found.len());
        for one in found {
            match self.filled(worker, vec![one.clone()]).await {
                Err(Failure::Damaged(why)) => {
                    let damaged = Execution(one.clone());
                    let id = damaged.id()?;
                    tracing::error!(execution = %id, "an execution is damaged and can't go on: {why}");
                    // Held, so that it isn't taken for a stray.
                    let claim = Claim { epoch: damaged.epoch(), ..Claim::first(worker.clone(), "".into(), Stamp(0)) };
                    self.claims.set(&id, claim);
                }
                read => all.extend(read?),
            }
        }
        Ok(all)
    }

    /// Claims with their records and inboxes; of a first claim there is nothing to read. One that was taken back before its
    /// log was read isn't among them: behind its own fence its owner must not write.
    pub(super) async fn filled(
        self: &Arc<Self>,
        worker: &WorkerId,
        found: Vec<bson::Document>,
    ) -> Result<Vec<Claimed>, Failure> {
        let mut found: Vec<Execution> = found.into_iter().map(Execution).collect();
        let again = found.iter().filter(|found| found.epoch() > Epoch(1)).map(Execution::id);
        let mut logs = self.logs(&again.collect::<Result<Vec<_>, _>>()?).await?;
        let mut all = Vec::with_capacity(found.len());
        for execution in &mut found {
            let id = execution.id()?;
            let log = logs.remove(&id).unwrap_or_default();
            let started =
                execution.started().ok_or_else(|| Failure::Damaged(format!("{id} is claimed, and has no start")))?;
            let mut claim = Claim::first(worker.clone(), execution.code()?, started);
            claim.epoch = execution.epoch();
            claim.go_on(&log);
            if log.is_fenced(claim.epoch) {
                let epoch = claim.epoch;
                self.claims.set(&id, claim);
                self.let_go(&id, epoch);
                continue;
            }
            let inbox = self.waiting(execution, &id, &mut claim.mail).await?;
            let claimed = Claimed {
                epoch: claim.epoch,
                slot: Slot::default(),
                function: execution.function()?,
                version: execution.version()?,
                arguments: execution.arguments(),
                seed: execution.seed()?,
                started,
                deadline: execution.deadline(),
                parked: execution.reason(),
                crashes: log.crashes(execution.calm()),
                record: log.record,
                attempts: log.attempts.into_iter().map(|(_, attempt)| attempt).collect(),
                inbox,
                id: id.clone(),
            };
            self.claims.set(&id, claim);
            all.push(claimed);
        }
        Ok(all)
    }

    /// The messages of an execution that was just claimed.
    async fn waiting(&self, execution: &Execution, id: &ExecutionId, mail: &mut Mail) -> Result<Vec<Message>, Failure> {
        mail.seen = execution.posts();
        if mail.seen == 0 {
            return Ok(Vec::new());
        }
        let mut messages = self.messages(id).await?;
        messages.retain(|message| !mail.moved.contains(&message.id));
        mail.waiting = messages.iter().map(|message| message.id.clone()).collect();
        Ok(messages)
    }
}
