//! What the checks of stage 5 have to observe: the host's half of `stages/stage5-xenbus/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right exercise makes of
//! it. Where a record asks dom0 for something, `dom0` is what dom0 has to find.

mod grants;
mod handshake;
mod transactions;
mod wire;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;
use fastrand::Rng;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "5a.grant" => grants::grant(&mut rng),
        "5a.end" => grants::end(&mut rng),
        "5a.busy" => grants::busy(&mut rng),
        "5a.references" => grants::references(&mut rng),
        "5a.dom0" => grants::dom0(&mut rng),
        "5b.requests" => wire::requests(&mut rng),
        "5b.refused" => wire::refused(&mut rng),
        "5b.replies" => wire::replies(&mut rng),
        "5b.lists" => wire::lists(&mut rng),
        "5b.dom0" => wire::dom0(&mut rng),
        "5c.commit" => transactions::commit(&mut rng),
        "5c.retry" => transactions::retry(&mut rng),
        "5c.abort" => transactions::abort(&mut rng),
        "5c.take" => transactions::take(&mut rng),
        "5c.dom0" => transactions::dom0(&mut rng),
        "5d.table" => handshake::table(&mut rng),
        "5d.order" => handshake::order(&mut rng),
        "5d.failure" => handshake::failure(&mut rng),
        "5d.dom0" => handshake::dom0(&mut rng),
        other => unknown(other),
    }
}

/// A text of lower-case letters, as the guest draws it.
fn word(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.lowercase()).collect()
}

/// Bytes, as the guest draws them.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}
