//! The virtio-serial port: finds it, reads calls from it, writes replies and events to it.
//!
//! Linux shows its ports as `/sys/class/virtio-ports/*/name` (Documentation/ABI, drivers/char/virtio_console.c).
//!
//! Invariant: a frame is written whole before the next begins, whichever threads write; garbage is answered and
//! skipped; a frame that stops in its middle is given up after [`PATIENCE`].

use crate::locked;
use agent::{Call, Decoder, FromAgent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// How long the rest of a frame may take to come.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// The open port.
pub struct Port {
    input: File,
    output: Mutex<File>,
}

impl Port {
    /// Finds the port by its name and opens it.
    pub fn open() -> Result<Self, String> {
        let path = find()?;
        let fail = |error| format!("open {}: {error}", path.display());
        let input = File::options().read(true).write(true).open(&path).map_err(fail)?;
        let output = Mutex::new(input.try_clone().map_err(fail)?);
        Ok(Self { input, output })
    }

    /// Sends a message. It waits while the harness does not read.
    pub fn send(&self, message: &FromAgent) {
        let frame = agent::encode(message).or_else(|error| match message {
            FromAgent::Reply { id, .. } => agent::encode(&FromAgent::Reply { id: *id, result: Err(error) }),
            _ => Err(error),
        });
        let written = frame.map(|frame| locked(&self.output).write_all(&frame));
        if let Err(error) = written.and_then(|done| done.map_err(|error| error.to_string())) {
            eprintln!("stardust: agent: cannot send: {error}");
        }
    }

    /// Hands each call to `handle`, for ever.
    pub fn receive(&self, mut handle: impl FnMut(Call)) -> ! {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.read(&mut buffer, decoder.is_inside()) {
                Some(0) => std::thread::sleep(Duration::from_millis(10)), // Nobody is at the other end.
                Some(count) => decoder.push(&buffer[..count]),
                None => {
                    if let Some(garbage) = decoder.abandon() {
                        self.send(&FromAgent::Garbage(garbage.to_string()));
                    }
                }
            }
            while let Some(frame) = decoder.next() {
                match frame.and_then(|payload| agent::decode(&payload)) {
                    Ok(call) => handle(call),
                    Err(garbage) => self.send(&FromAgent::Garbage(garbage.to_string())),
                }
            }
        }
    }

    /// What is there to read; `None` if nothing comes in time although a frame has begun.
    fn read(&self, buffer: &mut [u8], inside: bool) -> Option<usize> {
        if inside {
            let mut ready = [PollFd::new(&self.input, PollFlags::IN)];
            if let Ok(0) = poll(&mut ready, Some(&PATIENCE)) {
                return None;
            }
        }
        Some((&self.input).read(buffer).unwrap_or(0))
    }
}

fn find() -> Result<PathBuf, String> {
    let class = "/sys/class/virtio-ports";
    for port in fs::read_dir(class).map_err(|error| format!("{class}: {error}"))?.flatten() {
        if fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim_end() == agent::PORT) {
            return Ok(PathBuf::from("/dev").join(port.file_name()));
        }
    }
    Err(format!("no virtio-serial port is named {}", agent::PORT))
}
