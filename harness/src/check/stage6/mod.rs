//! What the checks of stage 6 have to observe: the host's half of `stages/stage6-netfront/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right exercise makes of
//! it. Where a record asks dom0 for something, `dom0` is what dom0 has to find.

mod device;
mod indices;
mod receive;
mod transmit;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;
use fastrand::Rng;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "6a.slots" => indices::slots(&mut rng),
        "6a.waiting" => indices::waiting(&mut rng),
        "6a.publish" => indices::publish(&mut rng),
        "6a.event" => indices::event(&mut rng),
        "6b.refill" => receive::refill(&mut rng),
        "6b.frames" => receive::frames(&mut rng),
        "6b.dropped" => receive::dropped(&mut rng),
        "6b.broken" => receive::broken(&mut rng),
        "6b.dom0" => receive::dom0(&mut rng),
        "6c.parts" => transmit::parts(&mut rng),
        "6c.refused" => transmit::refused(&mut rng),
        "6c.reap" => transmit::reap(&mut rng),
        "6c.broken" => transmit::broken(&mut rng),
        "6c.dom0" => transmit::dom0(&mut rng),
        "6d.capabilities" => device::capabilities(&mut rng),
        "6d.receive" => device::receive(&mut rng),
        "6d.send" => device::send(&mut rng),
        "6d.dom0" => device::dom0(&mut rng),
        other => unknown(other),
    }
}

/// Bytes, as the guest draws them.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}
