//! Names.
//!
//! Invariant: a question that nobody waits for any more is forgotten.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;
use core::time::Duration;

use smoltcp::socket::dns::{GetQueryResultError, QueryHandle, Socket, StartQueryError};
use smoltcp::wire::DnsQueryType;

use super::stack::Stack;
use super::{NetError, stack_async, waiting};

/// Questions that may be asked at a time.
const QUESTIONS: usize = 32;

/// The addresses of a name, of both kinds. An address is its own name.
///
/// # Errors
/// [`NetError::NoSuchName`] if nobody knows it, or nobody can be asked; [`NetError::TimedOut`].
pub fn resolve(name: &str, patience: Duration) -> Result<Vec<IpAddr>, NetError> {
    waiting::block(Some(patience), ask(name))?
}

/// The same, for a task.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_async(name: &str, patience: Duration) -> Result<Vec<IpAddr>, NetError> {
    waiting::limited(Some(patience), ask(name)).await?
}

async fn ask(name: &str) -> Result<Vec<IpAddr>, NetError> {
    if let Ok(address) = name.parse() {
        return Ok(Vec::from([address]));
    }
    let stack = stack_async().await?;
    let first = Question::ask(&stack, name, DnsQueryType::A)?.answer().await;
    let mut all = first.clone().unwrap_or_default();
    if let Ok(more) = Question::ask(&stack, name, DnsQueryType::Aaaa)?.answer().await {
        all.extend(more);
    }
    if all.is_empty() { Err(first.err().unwrap_or(NetError::NoSuchName)) } else { Ok(all) }
}

struct Question {
    stack: Arc<Stack>,
    handle: Option<QueryHandle>,
}

impl Question {
    fn ask(stack: &Arc<Stack>, name: &str, kind: DnsQueryType) -> Result<Self, NetError> {
        let handle = stack.with(|inner| {
            let dns = inner.dns;
            if inner.questions >= QUESTIONS {
                return Err(NetError::OutOfMemory);
            }
            let (face, sockets) = inner.face().ok_or(NetError::NoAddress(stack.number()))?;
            let started = sockets.get_mut::<Socket<'_>>(dns).start_query(face.context(), name, kind);
            let handle = started.map_err(|error| match error {
                StartQueryError::NoFreeSlot => NetError::OutOfMemory,
                _ => NetError::NoSuchName,
            })?;
            inner.questions += 1;
            Ok(handle)
        })?;
        Ok(Self { stack: stack.clone(), handle: Some(handle) })
    }

    async fn answer(mut self) -> Result<Vec<IpAddr>, NetError> {
        let handle = self.handle.ok_or(NetError::NoSuchName)?;
        let answer = poll_fn(|context| {
            self.stack.look(|inner| {
                let socket = inner.sockets.get_mut::<Socket<'_>>(inner.dns);
                match socket.get_query_result(handle) {
                    Ok(addresses) => Poll::Ready(Ok(addresses.iter().map(|address| (*address).into()).collect())),
                    Err(GetQueryResultError::Failed) => Poll::Ready(Err(NetError::NoSuchName)),
                    Err(GetQueryResultError::Pending) => {
                        socket.register_query_waker(handle, context.waker());
                        Poll::Pending
                    }
                }
            })
        })
        .await;
        // An answer that was given is a question that is forgotten.
        self.handle = None;
        self.stack.look(|inner| inner.questions -= 1);
        answer
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            self.stack.look(|inner| {
                inner.questions -= 1;
                inner.sockets.get_mut::<Socket<'_>>(inner.dns).cancel_query(handle);
            });
        }
    }
}
