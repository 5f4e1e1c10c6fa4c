//! What has to be in the image of a real disk.

use super::{bytes, image};
use crate::check::expect::{Row, hex};
use fastrand::Rng;

const PART: usize = 512 << 10;

fn answered(what: &str) -> Row {
    Row::new(what).is("status", 0).is("id", true)
}

fn found(what: &str, bytes: &[u8]) -> Row {
    Row::new(what).is("ask", "disk-read").is("dom0", hex(bytes))
}

pub fn real(rng: &mut Rng) -> Vec<Row> {
    let mut disk = vec![0; 256 << 10];
    let first = rng.u64(..64) as usize * 512;
    let sectors = rng.usize(9..=80);
    let _id = rng.u64(..);
    let end = first + sectors * 512;
    disk[first..end].copy_from_slice(&bytes(rng, sectors * 512));
    let mut rows = vec![
        answered("a write"),
        found("the first sector of the write, as dom0 sees it", &disk[first..first + 512]),
        found("the last sector of the write and the one behind, as dom0 sees them", &disk[end - 512..end + 512]),
    ];
    let _other = rng.u64(160..256);
    let sector = bytes(rng, 512);
    rows.push(Row::new("dom0's writing to the image").is("ask", "disk-write").is("dom0", "done"));
    rows.push(answered("a read"));
    rows.push(Row::new("what was read").is("read", hex(&sector)));
    let pages = bytes(rng, 20 * 4096);
    disk[256 * 512..256 * 512 + 20 * 4096].copy_from_slice(&pages);
    let at = (256 + 159) * 512;
    rows.push(answered("an indirect write"));
    rows.push(found("the last sector of that and the one behind, as dom0 sees them", &disk[at..at + 1024]));
    disk[256 * 512..264 * 512].fill(0);
    rows.push(answered("a discard"));
    rows.push(answered("a flush"));
    let at = 263 * 512;
    rows.push(found("the last sector discarded and the one behind, as dom0 sees them", &disk[at..at + 1024]));
    rows
}

pub fn tasks(rng: &mut Rng) -> Vec<Row> {
    let mut part = vec![0; PART];
    let mut sectors: Vec<usize> = (0..1024).collect();
    rng.shuffle(&mut sectors);
    for sector in &sectors[..400] {
        part[sector * 512..(sector + 1) * 512].copy_from_slice(&rng.u64(..).to_le_bytes().repeat(64));
    }
    let mut rows = vec![Row::new("400 writes at the same time").is("written", 400)];
    rows.extend(image(&part, PART));
    rows.push(Row::new("dom0's writing to the image").is("ask", "disk-write").is("dom0", "done"));
    rows.push(Row::new("what was read").is("read", hex(&bytes(rng, 512))));
    rows
}

pub fn cached(rng: &mut Rng) -> Vec<Row> {
    let mut part = vec![0; PART];
    let mut rows = Vec::new();
    for _ in 0..2 {
        for _ in 0..60 {
            let offset = rng.usize(..PART - 3000);
            let length = rng.usize(1..3000);
            part[offset..offset + length].fill(rng.u8(..));
        }
        rows.extend(image(&part, 2 * PART));
        for _ in 0..5 {
            let offset = rng.usize(..PART - 3000);
            rows.push(Row::new(format!("16 bytes read at {offset}")).is("read", hex(&part[offset..offset + 16])));
        }
    }
    rows
}
