//! Reference for exercise 5c: transactions.

use alloc::vec::Vec;

use crate::protocol::{Refusal, StoreError};
use crate::transactions::{ATTEMPTS, Nodes, TransactionId};

const AGAIN: StoreError = StoreError::Refused(Refusal::Again);

/// Runs `body` in a transaction.
pub fn run<N: Nodes, T>(
    nodes: &N,
    attempts: u32,
    body: &mut dyn FnMut(TransactionId) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 0..attempts {
        let id = nodes.start()?;
        let result = body(id);
        let ended = nodes.end(id, result.is_ok());
        match (result, ended) {
            (Ok(value), Ok(())) => return Ok(value),
            (Ok(_), Err(AGAIN)) | (Err(AGAIN), _) => {}
            // What went wrong first is the reason; that the abort failed as well is not.
            (Ok(_), Err(error)) | (Err(error), _) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// Takes a command out of a node.
pub fn take<N: Nodes>(nodes: &N, node: &str) -> Result<Option<Vec<u8>>, StoreError> {
    const NOTHING: StoreError = StoreError::Refused(Refusal::NotFound);
    let taken = run(nodes, ATTEMPTS, &mut |id| {
        let command = nodes.read(id, node)?;
        if command.is_empty() {
            return Err(NOTHING);
        }
        nodes.write(id, node, b"")?;
        Ok(command)
    });
    match taken {
        Ok(command) => Ok(Some(command)),
        Err(NOTHING) => Ok(None),
        Err(error) => Err(error),
    }
}
