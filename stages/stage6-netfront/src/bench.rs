//! What stage 6 has to measure: a mebibyte to dom0 by TCP, and one from there.
//!
//! `harness bench` runs the other end, `images/linux-bench`, in dom0: a byte says what is wanted. What was sent is confirmed when
//! all of it has come. Without the other end there are no figures.

use alloc::vec;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use console::bench::{Bencher, Benchmark};

use crate::net::{self, NetError, TcpStream};

pub(crate) const BENCHMARKS: &[Benchmark] =
    &[Benchmark { name: "tcp-send-mib", run: send }, Benchmark { name: "tcp-receive-mib", run: receive }];

const PATIENCE: Duration = Duration::from_secs(20);
const PEER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 2, 1), 5001);
const TAKE: u8 = b't';
const GIVE: u8 = b'g';
const LENGTH: usize = 1 << 20;
/// Bytes on their way at a time. Linux takes as many as it needs.
const BUFFER: usize = 256 << 10;
/// Samples: a hundred would take too long.
const TIMES: usize = 20;

fn send(bencher: &mut Bencher) {
    repeat(bencher, |peer, bytes| {
        peer.write_all(&[TAKE])?;
        peer.write_all(bytes)?;
        read_exact(peer, &mut [0])
    });
}

fn receive(bencher: &mut Bencher) {
    repeat(bencher, |peer, bytes| {
        peer.write_all(&[GIVE])?;
        read_exact(peer, bytes)
    });
}

fn repeat(bencher: &mut Bencher, mut work: impl FnMut(&TcpStream, &mut [u8]) -> Result<(), NetError>) {
    let peer =
        net::wait_until_up(PATIENCE).and_then(|_| TcpStream::connect_with(SocketAddr::from(PEER), PATIENCE, BUFFER));
    let Ok(peer) = peer else { return };
    let mut bytes = vec![0; LENGTH];
    for _ in 0..TIMES {
        if bencher.time(|| work(&peer, &mut bytes)).is_err() {
            return;
        }
    }
}

fn read_exact(peer: &TcpStream, mut bytes: &mut [u8]) -> Result<(), NetError> {
    while !bytes.is_empty() {
        match peer.read(bytes)? {
            0 => return Err(NetError::Reset),
            count => bytes = &mut bytes[count..],
        }
    }
    Ok(())
}
