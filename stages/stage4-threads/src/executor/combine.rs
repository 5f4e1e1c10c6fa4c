//! Several futures as one.
//!
//! Invariant: a future that is done is not polled again.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use alloc::boxed::Box;
use alloc::vec::Vec;

/// One of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Runs both, and returns both results.
pub async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut other) = (None, None);
    poll_fn(|context| {
        if one.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(context)
        {
            one = Some(output);
        }
        if other.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(context)
        {
            other = Some(output);
        }
        match (one.take(), other.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (unfinished_one, unfinished_other) => {
                (one, other) = (unfinished_one, unfinished_other);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs both until one is done, and drops the other. If both are, the first counts.
pub async fn select<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if let Poll::Ready(output) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// Runs all, and returns all results, in their order.
///
/// # Panics
/// If there is no memory for them: each is put into a box of its own.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    enum Part<F: Future> {
        Running(Pin<Box<F>>),
        Done(Option<F::Output>),
    }
    let mut parts: Vec<Part<F>> = futures.into_iter().map(|future| Part::Running(Box::pin(future))).collect();
    poll_fn(move |context| {
        let mut left = 0;
        for part in &mut parts {
            if let Part::Running(future) = part {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *part = Part::Done(Some(output)),
                    Poll::Pending => left += 1,
                }
            }
        }
        if left > 0 {
            return Poll::Pending;
        }
        let outputs = parts.iter_mut().filter_map(|part| match part {
            Part::Done(output) => output.take(),
            Part::Running(_) => None,
        });
        Poll::Ready(outputs.collect())
    })
    .await
}

/// Lets other tasks have their turn.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
