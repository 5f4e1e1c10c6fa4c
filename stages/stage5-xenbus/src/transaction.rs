//! Exercise 5c: transactions. (Its reference is solutions/stage5-xenbus/transaction.rs.)
//!
//! [`transactions`](crate::transactions) describes them, and the four operations of [`Nodes`].

use alloc::vec::Vec;

use console::lab_todo;

use crate::protocol::StoreError;
use crate::transactions::{Nodes, TransactionId};

/// Runs `body` in a transaction, as often as it takes, but at most `attempts` times.
///
/// - Start a transaction, run `body`, and commit.
/// - If xenstore refuses the commit with `Again`, or a request of `body`'s with it: all that was done is void. Begin anew, with
///   a new transaction.
/// - If `body` fails in another way, that is the result. Nothing of what it did may stay.
/// - A transaction that was started is ended exactly once, whatever happens.
/// - After the last attempt: `Conflict`.
pub fn run<N: Nodes, T>(
    nodes: &N,
    attempts: u32,
    body: &mut dyn FnMut(TransactionId) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    lab_todo!("5c", nodes, attempts, body)
}

/// Takes a command out of a node: reads it, and writes an empty value in its place, in one transaction, so that nobody's command
/// is lost or taken twice.
///
/// - `None` if the node is empty, or isn't there: then nothing is written at all, since a write, even of the same value, is an event
///   for everybody who watches the node.
/// - Try at most `ATTEMPTS` times.
pub fn take<N: Nodes>(nodes: &N, node: &str) -> Result<Option<Vec<u8>>, StoreError> {
    lab_todo!("5c", nodes, node)
}
