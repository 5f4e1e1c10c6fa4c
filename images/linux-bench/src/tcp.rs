//! A mebibyte to dom0 by TCP, and one from there: what the kernel's own benchmarks do.

use crate::peer::{ADDRESS, GIVE, LENGTH, PORT, TAKE};
use crate::repeat_times;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// As many as the kernel takes.
const TIMES: usize = 20;

/// Sent, and confirmed.
pub fn send() -> Option<Vec<u64>> {
    samples(|peer, bytes| {
        peer.write_all(&[TAKE])?;
        peer.write_all(bytes)?;
        peer.read_exact(&mut [0])
    })
}

/// Asked for, and received.
pub fn receive() -> Option<Vec<u64>> {
    samples(|peer, bytes| {
        peer.write_all(&[GIVE])?;
        peer.read_exact(bytes)
    })
}

fn samples(mut work: impl FnMut(&mut TcpStream, &mut [u8]) -> io::Result<()>) -> Option<Vec<u64>> {
    let mut peer = TcpStream::connect((ADDRESS, PORT)).ok()?;
    peer.set_nodelay(true).ok()?;
    let mut bytes = vec![0; LENGTH];
    let mut well = true;
    let samples = repeat_times(TIMES, || well &= work(&mut peer, &mut bytes).is_ok());
    well.then_some(samples)
}
