//! Watches: being told when something in xenstore changes.
//!
//! A watch on a path reports each change of that node and of all below it, and reports once when it is set, so that nothing
//! is missed between setting it and the first look. Several watches may share a mailbox, for one thread to follow them all.
//!
//! Invariant: what a watch reports after it is gone reaches nobody.

use alloc::string::ToString;
use alloc::sync::Arc;
use core::future::poll_fn;

use threads::time::Nanoseconds;

use crate::mailbox::{Event, Mailbox};
use crate::protocol::{Request, StoreError};
use crate::store::{Pending, Store, with_connection};

/// A watch that is set. It ends when it is dropped.
pub struct Watch {
    token: u32,
    mailbox: Arc<Mailbox>,
}

impl Watch {
    /// Watches a path, with a mailbox of its own.
    ///
    /// # Errors
    /// If the path can't be sent, or the daemon allows no more watches.
    pub fn new(path: &str) -> Result<Self, StoreError> {
        Self::into_mailbox(path, &Arc::default())
    }

    /// Watches a path, and puts what happens there into this mailbox.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn into_mailbox(path: &str, mailbox: &Arc<Mailbox>) -> Result<Self, StoreError> {
        let token = with_connection(|connection| Ok(connection.open_watch(path, mailbox)))?;
        let asked = Store::shared().ask(&Request::Watch { node: path, token: &token.to_string() });
        if let Err(error) = asked.and_then(Pending::wait) {
            let _ = with_connection(|connection| Ok(connection.close_watch(token)));
            return Err(error);
        }
        Ok(Self { token, mailbox: mailbox.clone() })
    }

    /// What its events are told by, where several watches share a mailbox.
    pub fn token(&self) -> u32 {
        self.token
    }

    /// Sleeps until something has changed.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] at the deadline; [`StoreError::Disconnected`] if nothing will be reported any more.
    pub fn next(&self, deadline: Option<Nanoseconds>) -> Result<Event, StoreError> {
        self.mailbox.take(deadline)
    }

    /// The same for a task.
    ///
    /// # Errors
    /// [`StoreError::Disconnected`] if nothing will be reported any more.
    pub async fn changed(&self) -> Result<Event, StoreError> {
        poll_fn(|context| self.mailbox.poll_take(context)).await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let path = with_connection(|connection| Ok(connection.close_watch(self.token)));
        self.mailbox.forget(self.token);
        if let Ok(Some(path)) = path {
            // The reply is of no use: nobody listens to this token any more.
            let _ = Store::shared().ask(&Request::Unwatch { node: &path, token: &self.token.to_string() });
        }
    }
}
