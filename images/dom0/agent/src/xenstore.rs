//! A client of xenstored's socket: nodes and watches.
//!
//! Follows `docs/misc/xenstore.txt` and `xen/include/public/io/xs_wire.h` (struct xsd_sockmsg, XS_*). Each watch has a
//! connection of its own, so that replies and watch events never mix.
//!
//! Invariant: a payload longer than XENSTORE_PAYLOAD_MAX is never believed or allocated.

use crate::{locked, port::Port};
use agent::{Event, FromAgent};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOCKET: &str = "/run/xenstored/socket";
const PAYLOAD_MAX: usize = 4096;

const XS_DIRECTORY: u32 = 1;
const XS_READ: u32 = 2;
const XS_WATCH: u32 = 4;
const XS_WRITE: u32 = 11;
const XS_RM: u32 = 13;
const XS_WATCH_EVENT: u32 = 15;
const XS_ERROR: u32 = 16;

/// A node's value; `None` if it does not exist.
pub fn read(path: &str) -> Result<Option<Vec<u8>>, String> {
    match Connection::open()?.ask(XS_READ, &[path.as_bytes(), b"\0"]) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error == "ENOENT" => Ok(None),
        Err(error) => Err(format!("read {path} in xenstore: {error}")),
    }
}

/// Writes a node.
pub fn write(path: &str, value: &[u8]) -> Result<(), String> {
    let written = Connection::open()?.ask(XS_WRITE, &[path.as_bytes(), b"\0", value]);
    written.map(drop).map_err(|error| format!("write {path} in xenstore: {error}"))
}

/// Removes a node and its children.
pub fn remove(path: &str) -> Result<(), String> {
    let removed = Connection::open()?.ask(XS_RM, &[path.as_bytes(), b"\0"]);
    removed.map(drop).map_err(|error| format!("remove {path} in xenstore: {error}"))
}

/// The names of a node's children.
pub fn list(path: &str) -> Result<Vec<String>, String> {
    let listed = Connection::open()?.ask(XS_DIRECTORY, &[path.as_bytes(), b"\0"]);
    let names = listed.map_err(|error| format!("list {path} in xenstore: {error}"))?;
    let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// The watches that are set.
pub struct Watches {
    port: Arc<Port>,
    set: Mutex<HashMap<u64, UnixStream>>,
}

impl Watches {
    /// No watches yet; their events go to `port`.
    pub fn new(port: Arc<Port>) -> Self {
        Self { port, set: Mutex::default() }
    }

    /// Sets a watch; the number is in its events.
    pub fn add(&self, path: &str) -> Result<u64, String> {
        let mut changes = Watch::set(path)?;
        let end = changes.connection.stream.try_clone().map_err(|error| error.to_string())?;
        let mut watches = locked(&self.set);
        let watch = watches.keys().max().map_or(1, |last| last + 1);
        watches.insert(watch, end);
        let port = self.port.clone();
        std::thread::spawn(move || {
            while let Ok(path) = changes.next() {
                port.send(&FromAgent::Event(Event::Store { watch, path }));
            }
        });
        Ok(watch)
    }

    /// Ends a watch.
    pub fn remove(&self, watch: u64) -> Result<(), String> {
        let connection = locked(&self.set).remove(&watch).ok_or_else(|| format!("there is no watch {watch}"))?;
        // Closing the connection is how xenstored drops its watches.
        connection.shutdown(Shutdown::Both).map_err(|error| error.to_string())
    }
}

/// A watch on a node, with a connection of its own.
pub struct Watch {
    connection: Connection,
    /// What came before the watch was acknowledged.
    early: Vec<Vec<u8>>,
}

impl Watch {
    /// Sets it. It fires once at once.
    pub fn set(path: &str) -> Result<Self, String> {
        let fail = |error| format!("watch {path} in xenstore: {error}");
        let mut connection = Connection::open()?;
        let mut early = Vec::new();
        connection.send(XS_WATCH, &[path.as_bytes(), b"\0agent\0"]).map_err(fail)?;
        connection.reply(&mut early).map_err(fail)?;
        connection.stream.set_read_timeout(None).map_err(|error| fail(error.to_string()))?;
        Ok(Self { connection, early })
    }

    /// Waits for a change and returns the node's path.
    pub fn next(&mut self) -> Result<String, String> {
        let event = loop {
            if !self.early.is_empty() {
                break self.early.remove(0);
            }
            let (kind, payload) = self.connection.receive()?;
            if kind == XS_WATCH_EVENT {
                break payload;
            }
        };
        let path = event.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(path).into_owned())
    }
}

struct Connection {
    stream: UnixStream,
}

impl Connection {
    fn open() -> Result<Self, String> {
        let fail = |error| format!("{SOCKET}: {error}");
        let stream = UnixStream::connect(SOCKET).map_err(fail)?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(fail)?;
        Ok(Self { stream })
    }

    /// One request and its reply; the error is xenstored's word for it, as `ENOENT`.
    fn ask(&mut self, kind: u32, parts: &[&[u8]]) -> Result<Vec<u8>, String> {
        self.send(kind, parts)?;
        self.reply(&mut Vec::new())
    }

    fn send(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), String> {
        let payload = parts.concat();
        if payload.len() > PAYLOAD_MAX {
            return Err(format!("{} bytes are more than xenstore takes ({PAYLOAD_MAX})", payload.len()));
        }
        // Request and transaction 0: one connection carries one request at a time.
        let header = [kind, 0, 0, payload.len() as u32].map(u32::to_le_bytes).concat();
        self.stream.write_all(&[header, payload].concat()).map_err(|error| error.to_string())
    }

    fn reply(&mut self, events: &mut Vec<Vec<u8>>) -> Result<Vec<u8>, String> {
        loop {
            let (kind, payload) = self.receive()?;
            match kind {
                XS_WATCH_EVENT => events.push(payload),
                XS_ERROR => return Err(String::from_utf8_lossy(&payload).trim_end_matches('\0').to_owned()),
                _ => return Ok(payload),
            }
        }
    }

    fn receive(&mut self) -> Result<(u32, Vec<u8>), String> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).map_err(|error| error.to_string())?;
        let [k0, k1, k2, k3, .., l0, l1, l2, l3] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > PAYLOAD_MAX {
            return Err(format!("xenstored announced {length} bytes"));
        }
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).map_err(|error| error.to_string())?;
        Ok((u32::from_le_bytes([k0, k1, k2, k3]), payload))
    }
}
