//! Stub, until the engine lands.
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::function::arguments::Arguments;
use crate::function::outcome::Codec;
use crate::function::spec::{Function, StepSpec};

/// A step's operation.
#[must_use = "a step does nothing until it is awaited"]
pub struct Step<R>(PhantomData<fn() -> R>);

/// A durable function's call.
#[must_use = "a call does nothing until it is awaited or started"]
pub struct Call<R>(PhantomData<fn() -> R>);

impl<R> Step<R> {
    pub(crate) fn new<F, Fut>(_: &'static StepSpec, _: Arguments, _: &'static Codec<R>, _: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        Self(PhantomData)
    }
}

impl<R> Call<R> {
    pub(crate) fn new<F, Fut>(_: &'static Function, _: Arguments, _: &'static Codec<R>, _: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        Self(PhantomData)
    }
}

impl<R> Future for Step<R> {
    type Output = R;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        Poll::Pending
    }
}

impl<R> Future for Call<R> {
    type Output = R;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        Poll::Pending
    }
}
