//! A question to xenstore, through Linux's own driver for it.

use crate::repeat;
use std::fs::File;
use std::io::{Read, Write};

/// `XS_READ`, public/io/xs_wire.h.
const READ: u32 = 2;
/// Bytes of a message's header: type, request, transaction, length.
const HEADER: usize = 16;

/// The guest's own number, read again and again.
pub fn read() -> Option<Vec<u64>> {
    let device = ["/dev/xen/xenbus", "/proc/xen/xenbus"];
    let mut device = device.iter().find_map(|path| File::options().read(true).write(true).open(path).ok())?;
    let path = b"domid\0";
    let mut request: Vec<u8> = [READ, 1, 0, path.len() as u32].iter().flat_map(|word| word.to_le_bytes()).collect();
    request.extend_from_slice(path);
    let mut whole = true;
    let samples = repeat(|| whole &= ask(&mut device, &request).is_some());
    whole.then_some(samples)
}

fn ask(device: &mut File, request: &[u8]) -> Option<Vec<u8>> {
    device.write_all(request).ok()?;
    let mut header = [0; HEADER];
    device.read_exact(&mut header).ok()?;
    let word = |at: usize| header[at..].first_chunk().copied().map(u32::from_le_bytes);
    let mut answer = vec![0; word(12)? as usize];
    device.read_exact(&mut answer).ok()?;
    (word(0)? == READ).then_some(answer)
}
