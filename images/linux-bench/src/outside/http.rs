//! Requests by HTTP/1.1 over connections that are kept: what each takes, where so many are under way at the same time.
//!
//! One thread and `epoll`, as load generators do. Invariant: each connection has one request under way at any time.

use super::PORT;
use crate::ticks;
use rustix::event::epoll;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// What is asked for.
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n";
/// How long a guest may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// Samples, and requests in each at least.
const TIMES: usize = 20;
const BATCH: usize = 64;

/// Ticks of one request, as the mean of some hundred.
pub fn requests(address: Ipv4Addr, connections: usize) -> io::Result<Vec<u64>> {
    let length = length(address)?;
    let waiting = epoll::create(epoll::CreateFlags::empty())?;
    let mut open = Vec::new();
    for number in 0..connections {
        let stream = TcpStream::connect((address, PORT))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&waiting, stream.as_fd(), data, epoll::EventFlags::IN)?;
        open.push((stream, 0));
    }
    for (stream, _) in &mut open {
        stream.write_all(REQUEST)?;
    }
    let batch = BATCH.max(4 * connections);
    let limit = PATIENCE.try_into().map_err(io::Error::other)?;
    let mut events: Vec<epoll::Event> = Vec::with_capacity(connections);
    let mut buffer = vec![0; 64 << 10];
    let (mut done, mut samples, mut begin) = (0, Vec::new(), ticks());
    while samples.len() < TIMES {
        events.clear();
        if epoll::wait(&waiting, rustix::buffer::spare_capacity(&mut events), Some(&limit))? == 0 {
            return Err(ErrorKind::TimedOut.into());
        }
        for event in &events {
            let (stream, got) = &mut open[event.data.u64() as usize];
            match stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => *got += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if *got < length {
                continue;
            }
            *got -= length;
            done += 1;
            stream.write_all(REQUEST)?;
            if done == batch {
                let now = ticks();
                samples.push((now - begin) / batch as u64);
                (done, begin) = (0, now);
            }
        }
    }
    Ok(samples)
}

/// How many bytes an answer has, which is the same for all.
fn length(address: Ipv4Addr) -> io::Result<usize> {
    let mut stream = TcpStream::connect((address, PORT))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(io::Error::other(text));
    }
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Ok(head.len() + body.ok_or(ErrorKind::InvalidData)?)
}
