//! Several changes of xenstore as one.
//!
//! Follows `docs/misc/xenstore.txt`. A transaction is a copy of the store that one client works on. When it ends, its changes
//! become everybody's, all at once, or the daemon says `EAGAIN`: somebody else has changed what it read or wrote. Then
//! nothing has happened, and the client begins anew. That is the price of a store that nobody ever locks, and no error.
//!
//! Invariant: a transaction that was started is ended, since a domain may have only few at a time.

use alloc::vec::Vec;

use crate::protocol::StoreError;
use crate::transaction as exercise;

/// The number of a transaction. 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionId(pub u32);

/// How often a transaction is tried, where nothing else is said. A conflict takes another client that has just finished its own
/// transaction, so ten in a row mean that something is wrong.
pub const ATTEMPTS: u32 = 10;

// ANCHOR: nodes
/// The nodes of xenstore, as a transaction sees them: what exercise 5c works with. The checks have nodes of their own.
pub trait Nodes {
    /// Starts a transaction.
    ///
    /// # Errors
    /// If there are too many at a time, among others.
    fn start(&self) -> Result<TransactionId, StoreError>;

    /// Ends a transaction: keeps what it did, or doesn't. It is over then in any case.
    ///
    /// # Errors
    /// [`Refusal::Again`](crate::protocol::Refusal::Again) if it is void because of what others did.
    fn end(&self, transaction: TransactionId, commit: bool) -> Result<(), StoreError>;

    /// Reads a node.
    ///
    /// # Errors
    /// If there is none, among others.
    fn read(&self, transaction: TransactionId, path: &str) -> Result<Vec<u8>, StoreError>;

    /// Writes a node, which is made where there is none.
    ///
    /// # Errors
    /// If it may not be written, among others.
    fn write(&self, transaction: TransactionId, path: &str, value: &[u8]) -> Result<(), StoreError>;
}
// ANCHOR_END: nodes

/// Runs `body` in a transaction, again after each conflict, but at most `attempts` times; exercise 5c.
///
/// # Errors
/// What `body` returns, except `Again`; what keeps a transaction from starting or being committed;
/// [`StoreError::Conflict`] after the last attempt.
pub fn run<N: Nodes, T>(
    nodes: &N,
    attempts: u32,
    body: &mut dyn FnMut(TransactionId) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    exercise::run(nodes, attempts, body)
}

/// Takes a command out of a node and leaves it empty, in one transaction; exercise 5c. `None` if it is empty or isn't there.
///
/// # Errors
/// As [`run`], with [`ATTEMPTS`].
pub fn take<N: Nodes>(nodes: &N, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
    exercise::take(nodes, path)
}
