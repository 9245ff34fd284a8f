//! One switch for everything that belongs to one piece of work.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use web_sys::{AbortController, AbortSignal};

use super::trouble;
use crate::protocol::Trouble;

/// Stops work: requests under way are aborted, waiting ends. Clones are the same switch.
#[derive(Clone, Default)]
pub struct Stop(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// Absent only in a browser that cannot run the page anyway.
    controller: Option<AbortController>,
    stopped: std::cell::Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

impl Stop {
    /// A switch that nobody has pulled.
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            controller: AbortController::new().ok(),
            ..Inner::default()
        }))
    }

    /// Pulls it.
    pub fn stop(&self) {
        self.0.stopped.set(true);
        if let Some(controller) = &self.0.controller {
            controller.abort();
        }
        for waker in self.0.wakers.take() {
            waker.wake();
        }
    }

    /// Whether it was pulled.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get()
    }

    /// What aborts a request.
    pub fn signal(&self) -> Option<AbortSignal> {
        self.0.controller.as_ref().map(AbortController::signal)
    }

    /// Goes on if nobody has pulled it.
    ///
    /// # Errors
    /// A trouble of kind `Cancelled`.
    pub fn check(&self) -> Result<(), Trouble> {
        if self.is_stopped() {
            return Err(trouble::cancelled());
        }
        Ok(())
    }

    /// Waits for the work, but no longer than nobody pulls it.
    ///
    /// # Errors
    /// A trouble of kind `Cancelled`.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        match select(pin!(work), Pulled(self)).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(trouble::cancelled()),
        }
    }

    /// Waits so long.
    ///
    /// # Errors
    /// A trouble of kind `Cancelled`.
    pub async fn sleep(&self, ms: u32) -> Result<(), Trouble> {
        self.unless(TimeoutFuture::new(ms)).await
    }
}

struct Pulled<'a>(&'a Stop);

impl Future for Pulled<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_stopped() {
            return Poll::Ready(());
        }
        let mut wakers = self.0.0.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
