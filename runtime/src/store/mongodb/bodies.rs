//! Bodies of transactions: polled one after the other's operations, never beyond a wait for something else.
//!
//! A body reaches its transaction through a thread-local that is set only while it is polled, so an operation that is
//! polled anywhere else is an error.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use mongodb::ClientSession;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::data::{Run, is_outside, too_late_for};
use super::sessions::Numbered;
use super::shared::{Shared, closed};
use super::transaction::TRANSIENT;
use crate::data::{Access, Operation, Reply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{BoxFuture, TransactionBody, TransactionFault, Verdict};

/// A body that keeps waking itself for so long waits for something that isn't the store.
const LONGEST: Duration = Duration::from_secs(2);
/// The server gives a transaction up after a minute: what takes longer has been lost on the way.
const LOST: Duration = Duration::from_secs(70);

thread_local! {
    /// The body that is being polled on this thread.
    static BODY: RefCell<Option<Arc<Inside>>> = const { RefCell::new(None) };
}

/// A transaction, as its operations see it.
pub(super) struct Inside {
    shared: Arc<Shared>,
    session: tokio::sync::Mutex<Option<ClientSession>>,
    /// Operations under way.
    under_way: AtomicUsize,
    /// The server knows of the transaction.
    begun: AtomicBool,
    /// The session is in the hands of a user's code.
    lent: AtomicBool,
    /// It has been.
    was_lent: AtomicBool,
    broken: Mutex<Broken>,
    woken: Arc<Woken>,
}

/// What went wrong inside: MongoDB has undone the transaction.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// It may go well if it is begun anew.
    pub(super) transient: Option<Error>,
    /// It won't.
    pub(super) refused: Option<Error>,
}

/// What a body came to.
pub(super) enum Ran {
    Verdict(Verdict),
    Fault(TransactionFault),
}

/// Notes that the body is to be polled again.
struct Woken {
    again: AtomicBool,
    news: Notify,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }
}

/// What operations of one body are given.
struct Bridge(Arc<Inside>);

impl Access for Bridge {
    fn data(&self, operation: Operation) -> BoxFuture<'static, Result<Reply>> {
        let inside = self.0.clone();
        Box::pin(async move {
            // In whose poll it is first polled is what counts.
            if !BODY.with_borrow(|body| body.as_ref().is_some_and(|body| Arc::ptr_eq(body, &inside))) {
                return Err(misplaced());
            }
            if inside.lent.load(Ordering::SeqCst) {
                return Err(lent());
            }
            inside.under_way.fetch_add(1, Ordering::SeqCst);
            let (reply, answer) = oneshot::channel();
            let runtime = inside.shared.runtime.clone();
            drop(runtime.spawn(async move {
                let replied = inside.run(operation).await;
                // The body is woken before the operation counts as done: it never looks as if it waited for nothing.
                drop(reply.send(replied));
                inside.under_way.fetch_sub(1, Ordering::SeqCst);
                inside.woken.news.notify_one();
            }));
            answer.await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

/// While it lives, the session is in the hands of a user's code, and the body may wait for the driver.
struct Lent<'i> {
    inside: &'i Inside,
    /// The code came to its end, and what it did is known.
    over: bool,
}

impl<'i> Lent<'i> {
    fn of(inside: &'i Inside) -> Self {
        inside.lent.store(true, Ordering::SeqCst);
        inside.was_lent.store(true, Ordering::SeqCst);
        inside.under_way.fetch_add(1, Ordering::SeqCst);
        Self { inside, over: false }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.inside.note(&cut_off(), true);
        }
        self.inside.lent.store(false, Ordering::SeqCst);
        self.inside.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lent() -> Error {
    Error::of(
        ErrorKind::Misplaced,
        "the transaction's session is in use by `outlast::mongodb::session`: await its end before the next operation",
    )
    .into_terminal()
}

fn ended() -> Error {
    Error::of(
        ErrorKind::Misplaced,
        "the transaction was committed or aborted in `outlast::mongodb::session`: leave its end to outlast, and give back an \
         error (`Err`) to undo it",
    )
    .into_terminal()
}

fn cut_off() -> Error {
    Error::of(
        ErrorKind::Misplaced,
        "`outlast::mongodb::session` was dropped before its end (by a `select!` or a timeout around it, say), so nobody knows \
         what its operations did: await it to its end",
    )
    .into_terminal()
}

fn misplaced() -> Error {
    Error::of(
        ErrorKind::Misplaced,
        "this operation belongs to a transaction and was awaited outside it (in a spawned task, say): await it in the \
         transaction's own body",
    )
}

impl Inside {
    pub(super) fn new(shared: &Arc<Shared>, session: ClientSession) -> Arc<Self> {
        Arc::new(Self {
            shared: shared.clone(),
            session: tokio::sync::Mutex::new(Some(session)),
            under_way: AtomicUsize::new(0),
            begun: AtomicBool::new(false),
            lent: AtomicBool::new(false),
            was_lent: AtomicBool::new(false),
            broken: Mutex::default(),
            woken: Arc::new(Woken { again: AtomicBool::new(false), news: Notify::new() }),
        })
    }

    /// One operation at a time: a session has one thread.
    async fn run(&self, operation: Operation) -> Result<Reply> {
        let mut session = self.session.lock().await;
        let Some(session) = session.as_mut() else { return Err(misplaced()) };
        if is_outside(&operation.verb) {
            if self.begun.load(Ordering::SeqCst) {
                return Err(too_late_for(&operation.verb));
            }
            return self.shared.plainly(&operation).await;
        }
        self.begun.store(true, Ordering::SeqCst);
        let collection = self.shared.own.collection(&operation.collection);
        let (comment, bypass) = (operation.comment.clone(), operation.bypass_validation.then_some(true));
        let run = Run { shared: &self.shared, collection, session: Some(session), comment, bypass };
        let replied = tokio::time::timeout(LOST, run.operation(&operation.verb)).await;
        match replied {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(said)) => {
                self.note(&said.error, said.by_server);
                Err(said.error)
            }
            Err(_) => {
                let error = self.shared.late();
                self.broken().transient.get_or_insert_with(|| error.clone());
                Err(error)
            }
        }
    }

    fn broken(&self) -> MutexGuard<'_, Broken> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an error of the server does to the transaction.
    fn note(&self, error: &Error, by_server: bool) {
        let mut broken = self.broken();
        if error.contains_label(TRANSIENT) || error.kind() == ErrorKind::Unavailable {
            broken.transient.get_or_insert_with(|| error.clone());
        } else if by_server {
            broken.refused.get_or_insert_with(|| error.clone());
        }
    }

    /// Lends the session to a user's code, once nothing else is under way.
    pub(super) async fn lend<T>(&self, run: impl AsyncFnOnce(&mut ClientSession) -> Result<T>) -> Result<T> {
        // Within another it would wait for itself.
        if self.lent.load(Ordering::SeqCst) {
            return Err(lent());
        }
        let mut session = self.session.lock().await;
        let Some(session) = session.as_mut() else { return Err(misplaced()) };
        self.begun.store(true, Ordering::SeqCst);
        let mut lent = Lent::of(self);
        let before = Numbered::of(session);
        let done = run(&mut *session).await;
        // The driver says in no other way whether a transaction is under way. Where none is, or another one, what was
        // written is gone, or committed without the record.
        let is_another = Numbered::of(session) != before || session.start_transaction().await.is_ok();
        lent.over = true;
        if is_another {
            self.note(&ended(), true);
            return Err(ended());
        }
        if let Err(error) = &done {
            self.note(error, error.code().is_some());
        }
        done
    }

    /// Whether a user's code has had the session.
    pub(super) fn was_lent(&self) -> bool {
        self.was_lent.load(Ordering::SeqCst)
    }

    /// The session, once nothing is under way; and what went wrong. Operations that come later are misplaced.
    pub(super) async fn end(&self) -> (Option<ClientSession>, Broken) {
        let session = self.session.lock().await.take();
        let broken = std::mem::take(&mut *self.broken());
        (session, broken)
    }
}

/// Runs a body to its verdict, or to the first wait for something that isn't the store; `None` if the application's
/// runtime has gone.
pub(super) async fn drive(bodies: &Handle, inside: &Arc<Inside>, body: &mut TransactionBody) -> Option<Ran> {
    let access: Arc<dyn Access> = Arc::new(Bridge(inside.clone()));
    let made = {
        let _entered = bodies.enter();
        crate::panics::caught(|| crate::data::within(&access, || (body.run)()))
    };
    let body = match made {
        Ok(body) => body,
        Err(words) => return Some(Ran::Fault(TransactionFault::Panicked(words))),
    };
    let driven = Driven { body: Some(Box::pin(tokio::task::unconstrained(body))), access, inside: inside.clone() };
    bodies.spawn(driven.run()).await.ok()
}

/// A body on its way.
struct Driven {
    body: Option<Pin<Box<dyn Future<Output = Verdict> + Send>>>,
    access: Arc<dyn Access>,
    inside: Arc<Inside>,
}

impl Driven {
    async fn run(mut self) -> Ran {
        let waker = Waker::from(self.inside.woken.clone());
        let mut alone_since = Instant::now();
        loop {
            self.inside.woken.again.store(false, Ordering::SeqCst);
            match self.poll(&mut Context::from_waker(&waker)) {
                Ok(Poll::Ready(verdict)) => return self.ended(Ran::Verdict(verdict)),
                Ok(Poll::Pending) => {}
                Err(words) => return self.ended(Ran::Fault(TransactionFault::Panicked(words))),
            }
            // In this order: an operation wakes the body before it counts as done.
            let under_way = self.inside.under_way.load(Ordering::SeqCst) > 0;
            let again = self.inside.woken.again.load(Ordering::SeqCst);
            if under_way {
                alone_since = Instant::now();
            }
            if !again && !under_way || alone_since.elapsed() > LONGEST {
                return self.ended(Ran::Fault(TransactionFault::Waited));
            }
            // A session that a user's code has and nothing becomes of has been lost on the way, too.
            if !again && tokio::time::timeout(LOST, self.inside.woken.news.notified()).await.is_err() {
                return self.ended(Ran::Fault(TransactionFault::Waited));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<Poll<Verdict>, String> {
        let Some(body) = &mut self.body else { return Ok(Poll::Pending) };
        let of = &self.inside;
        crate::panics::caught(|| crate::data::within(&self.access, || within(of, || body.as_mut().poll(cx))))
    }

    /// The body's destructors run inside, too.
    fn ended(&mut self, ran: Ran) -> Ran {
        let (body, of) = (self.body.take(), &self.inside);
        match crate::panics::caught(|| crate::data::within(&self.access, || within(of, || drop(body)))) {
            Ok(()) => ran,
            Err(words) => Ran::Fault(TransactionFault::Panicked(words)),
        }
    }
}

/// Runs something as part of a body's poll.
fn within<T>(of: &Arc<Inside>, run: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<Inside>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            BODY.set(self.0.take());
        }
    }
    let _restore = Restore(BODY.replace(Some(of.clone())));
    run()
}

/// The transaction whose body is being polled on this thread.
pub(super) fn inside() -> Option<Arc<Inside>> {
    BODY.with_borrow(Clone::clone)
}
