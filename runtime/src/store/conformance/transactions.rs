//! Transactions: a body's writes and its row, together or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bson::{Document, doc};

use super::case::{Case, Ledger, find, insert, outcome, step, submission, update};
use crate::data::{Operation, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    BoxFuture, Claimed, Committed, Epoch, Refused, RowKind, TransactionBody, TransactionFault, Value, Verdict, Write,
};

/// An operation of the transaction whose body is being polled.
async fn operate(operation: Operation) -> Result<Reply> {
    let access = crate::data::current().ok_or_else(|| Error::of(ErrorKind::Misplaced, "no transaction"))?;
    access.data(operation).await
}

async fn put(id: i32) -> Result<()> {
    operate(insert("stock", doc! { "_id": id })?).await.map(drop)
}

fn row(value: u8) -> RowKind {
    outcome("reserve", 0, Value::Ok(vec![value]))
}

fn fault_row(fault: &TransactionFault) -> RowKind {
    let text = match fault {
        TransactionFault::Panicked(message) => format!("panicked: {message}"),
        TransactionFault::Waited => "waited".to_owned(),
        TransactionFault::Refused(error) => format!("refused: {error}"),
    };
    outcome("reserve", 0, Value::Fault(text.into_bytes()))
}

fn body<F>(run: impl Fn() -> F + Send + 'static) -> Write
where
    F: Future<Output = Verdict> + Send + 'static,
{
    Write::Transaction(TransactionBody {
        run: Box::new(move || Box::pin(run()) as BoxFuture<'static, Verdict>),
        failed: Box::new(|fault| Some(fault_row(&fault))),
    })
}

impl Case {
    async fn stock(&self) -> Result<Vec<Document>> {
        self.find("stock", doc! {}).await
    }

    async fn transact(&self, claimed: &Claimed, write: Write) -> Result<Committed, Refused> {
        self.write(claimed, write).await
    }
}

pub(super) async fn writes_and_row_are_one(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.must(&claimed, step("one", 1)).await?;
    let write = body(|| async {
        let written = async {
            put(1).await?;
            put(2).await
        };
        match written.await {
            Ok(()) => Verdict::Commit(row(9)),
            Err(_) => Verdict::Retry,
        }
    });
    assert_eq!(case.transact(&claimed, write).await.map(|done| done.seq), Ok(Some(1)));
    assert_eq!(case.stock().await?, [doc! { "_id": 1 }, doc! { "_id": 2 }]);
    assert_eq!(case.details("a").await?.record[1].kind, row(9));
    Ok(())
}

pub(super) async fn a_rollback_keeps_only_its_row(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let write = body(|| async {
        let _ = put(1).await;
        Verdict::RollBack(row(8))
    });
    assert_eq!(case.transact(&claimed, write).await.map(|done| done.seq), Ok(Some(0)));
    assert!(case.stock().await?.is_empty());
    assert_eq!(case.details("a").await?.record[0].kind, row(8));
    Ok(())
}

pub(super) async fn a_retry_leaves_nothing(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let write = body(|| async {
        let _ = put(1).await;
        Verdict::Retry
    });
    assert_eq!(case.transact(&claimed, write).await, Err(Refused::NoRow));
    assert!(case.stock().await?.is_empty() && case.details("a").await?.record.is_empty());
    assert_eq!(case.must(&claimed, step("one", 1)).await?.seq, Some(0), "no place was used up");
    Ok(())
}

pub(super) async fn a_panic_undoes_its_writes_alone(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let ledger = Arc::new(Ledger::default());
    // Submitted together, so that a store that groups commits has them in one group.
    for ticket in 0..9_u64 {
        let write = body(move || async move {
            let _ = put(ticket as i32).await;
            if ticket % 3 == 1 {
                std::panic::resume_unwind(Box::new("out of stock"));
            }
            Verdict::Commit(row(ticket as u8))
        });
        case.store.submit(submission(&claimed, write, ledger.clone(), ticket));
    }
    for (ticket, result) in ledger.told(9).await {
        assert_eq!(result.map(|done| done.seq), Ok(Some(ticket)));
    }
    let kept: Vec<_> = case.stock().await?.iter().map(|document| document.get_i32("_id").unwrap_or(-1)).collect();
    assert_eq!(kept, [0, 2, 3, 5, 6, 8]);
    let record = case.details("a").await?.record;
    assert_eq!(record[1].kind, fault_row(&TransactionFault::Panicked("out of stock".into())));
    assert_eq!(record[2].kind, row(2));
    Ok(())
}

pub(super) async fn a_wait_for_something_else_is_undone(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let write = body(|| async {
        let _ = put(1).await;
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        Verdict::Commit(row(1))
    });
    assert_eq!(case.transact(&claimed, write).await.map(|done| done.seq), Ok(Some(0)));
    assert!(case.stock().await?.is_empty());
    assert_eq!(case.details("a").await?.record[0].kind, fault_row(&TransactionFault::Waited));
    Ok(())
}

pub(super) async fn a_body_sees_its_own_writes(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    case.insert("stock", doc! { "_id": 1, "n": 5 }).await?;
    let write = body(|| async {
        let run = async {
            operate(update("stock", doc! { "_id": 1 }, doc! { "$inc": { "n": -2 } })).await?;
            let (found, other) =
                futures_join(operate(find("stock", doc! { "_id": 1 })), operate(find("stock", doc! { "n": 3 }))).await;
            match (found?, other?) {
                (Reply::Documents(found), Reply::Documents(all)) => {
                    Ok::<_, Error>((found.first().map(|found| found.get_i32("n")).transpose()?, all.len()))
                }
                other => Err(Error::new(format!("{other:?}"))),
            }
        };
        match run.await {
            Ok((Some(3), 1)) => Verdict::Commit(row(3)),
            Ok(_) | Err(_) => Verdict::RollBack(row(0)),
        }
    });
    assert_eq!(case.transact(&claimed, write).await.map(|done| done.seq), Ok(Some(0)));
    assert_eq!(case.details("a").await?.record[0].kind, row(3));
    assert_eq!(case.stock().await?, [doc! { "_id": 1, "n": 3 }]);
    Ok(())
}

/// Two operations side by side.
async fn futures_join<A, B>(left: impl Future<Output = A>, right: impl Future<Output = B>) -> (A, B) {
    tokio::join!(left, right)
}

pub(super) async fn a_fenced_body_is_not_kept(case: Case) -> Result<()> {
    let mut claimed = case.owned("a").await?;
    claimed.epoch = Epoch(7);
    let write = body(|| async {
        let _ = put(1).await;
        Verdict::Commit(row(1))
    });
    assert_eq!(case.transact(&claimed, write).await, Err(Refused::Fenced));
    assert!(case.stock().await?.is_empty() && case.details("a").await?.record.is_empty());
    Ok(())
}

pub(super) async fn an_operation_outside_its_body_is_misplaced(case: Case) -> Result<()> {
    let claimed = case.owned("a").await?;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let write = body(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let sender = sender.clone();
        async move {
            if let (Some(access), Ok(operation)) = (crate::data::current(), insert("stock", doc! { "_id": 1 })) {
                let _ = sender.send(access.data(operation.clone()));
                let _ = sender.send(access.data(operation));
            }
            Verdict::Commit(row(1))
        }
    });
    assert!(case.transact(&claimed, write).await.is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let smuggled = receiver.recv().await.ok_or_else(|| Error::new("nothing was sent"))?;
    assert_eq!(smuggled.await.err().map(|error| error.kind()), Some(ErrorKind::Misplaced));
    // Nor does it belong to another body.
    let smuggled = receiver.recv().await.ok_or_else(|| Error::new("nothing was sent"))?;
    let smuggled = Arc::new(std::sync::Mutex::new(Some(smuggled)));
    let other = body(move || {
        let smuggled = smuggled.lock().ok().and_then(|mut smuggled| smuggled.take());
        async move {
            let kind = match smuggled {
                Some(operation) => operation.await.err().map(|error| error.kind()),
                None => None,
            };
            Verdict::Commit(row(u8::from(kind == Some(ErrorKind::Misplaced))))
        }
    });
    assert!(case.transact(&claimed, other).await.is_ok());
    assert_eq!(case.details("a").await?.record[1].kind, row(1));
    assert!(case.stock().await?.is_empty());
    Ok(())
}
