//! What the checks of stage 7 have to observe: the host's half of `stages/stage7-blkfront/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right exercise makes of
//! it. Where a record asks dom0 for something, `dom0` is what dom0 has to find in the disk's image.

mod cache;
mod completions;
mod disk;
mod requests;

use super::expect::{Facts, Row, fnv1a64, rng};
use super::stages::unknown;
use fastrand::Rng;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "7a.check" => requests::check(&mut rng),
        "7a.cut" => requests::cut(&mut rng),
        "7a.spread" => requests::spread(&mut rng),
        "7a.encode" => requests::encode(&mut rng),
        "7a.disk" => disk::real(&mut rng),
        "7b.slots" => completions::slots(&mut rng),
        "7b.matching" => completions::matching(&mut rng),
        "7b.collect" => completions::collected(&mut rng),
        "7b.race" => completions::race(&mut rng),
        "7b.lies" => completions::lies(&mut rng),
        "7b.disk" => disk::tasks(&mut rng),
        "7c.hits" => cache::hits(&mut rng),
        "7c.victims" => cache::victims(&mut rng),
        "7c.flush" => cache::flushed(&mut rng),
        "7c.failures" => cache::failures(&mut rng),
        "7c.disk" => disk::cached(&mut rng),
        other => unknown(other),
    }
}

/// Bytes, as the guest draws them.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// The rows for a part of the image that begins at this offset: a question for each 64 KiB.
fn image(part: &[u8], offset: usize) -> Vec<Row> {
    let row = |(index, piece): (usize, &[u8])| {
        let from = offset + index * 65536;
        let what = format!("the image's bytes from {from} to {}, as a number", from + piece.len());
        Row::new(what).is("ask", "disk-digest").is("dom0", format!("{:016x}", fnv1a64(piece.iter().copied())))
    };
    part.chunks(65536).enumerate().map(row).collect()
}
