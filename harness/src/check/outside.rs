//! What dom0 sees, and does, for a check: evidence that the guest has no hand in.
//!
//! A record with the key `ask` is a question. Dom0 does what it says, what came of it goes into the same record under the
//! key `dom0`, and then a line end is typed on the guest's console, for which the guest waits. The questions:
//!
//! | `ask` | with | dom0 | `dom0` becomes |
//! |---|---|---|---|
//! | `store-read` | `path` | reads a node | its value in hexadecimal, or `none` |
//! | `store-write` | `path`, `value` in hexadecimal | writes a node | `done` |
//! | `store-list` | `path` | lists a node's children | their names, sorted, with commas between |
//! | `store-many` | `path`, `count` | makes so many children, with long names | `done` |
//! | `grant-map` | `ref` | maps a page | its first 16 bytes, or `refused` |
//! | `grant-write` | `value` in hexadecimal | writes to its beginning | `done` |
//! | `grant-unmap` | | unmaps it | `done` |
//! | `frame-send` | `seed`, `length`, `count` | sends so many frames of type 0x88b5 into the first interface | `done` |
//! | `frames-watch` | | begins to look at what the first interface sends | `done` |
//! | `frames-seen` | `type`, `count` | waits for so many frames of this type | their digests |
//! | `frames-digest` | `type`, `count` | the same | the digest of all of them |
//! | `arp` | `host` | asks who has 10.0.2.`host` | `done` |
//! | `ping` | `host`, `seed`, `length` | sends it a ping | `done` |
//! | `ping-seen` | | waits for both answers | their digests |
//! | `disk-read` | `offset`, `length` | looks into the image of the guest's disk | the bytes in hexadecimal |
//! | `disk-digest` | `offset`, `length` | does so | the FNV-1a hash of the bytes, 64 bits, in hexadecimal |
//! | `disk-write` | `offset`, `value` in hexadecimal | changes it | `done` |
//!
//! Paths that don't begin with `/` begin at the domain's own folder. What fails becomes `error`.
//!
//! Invariant: dom0 does nothing that the check of the guest's own program has not asked for: an exercise can't make a record.

use super::expect::{fnv1a64, hex, list};
use super::frames;
use crate::error::{Error, Result};
use crate::machine::{Agent, Domain, Event};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long frames may take to come.
const PATIENCE: Duration = Duration::from_secs(8);

/// The image of the disk that a check's guest has, where the stage's manifest gives it one.
pub const DISK: &str = "/images/check-disk";

/// Dom0, as the checks of one domain see it.
pub struct Outside<'a> {
    agent: &'a Agent,
    domain: Domain,
    mapping: Option<u64>,
    capture: Option<u64>,
    /// Frames that nobody has asked for yet.
    frames: VecDeque<Vec<u8>>,
    /// What happened while this looked for frames.
    held: VecDeque<Event>,
}

impl<'a> Outside<'a> {
    /// For this domain.
    pub fn new(agent: &'a Agent, domain: Domain) -> Self {
        Self { agent, domain, mapping: None, capture: None, frames: VecDeque::new(), held: VecDeque::new() }
    }

    /// Something that happened while dom0 looked for frames.
    pub fn held(&mut self) -> Option<Event> {
        self.held.pop_front()
    }

    /// A frame that the guest has sent.
    pub fn note(&mut self, frame: Vec<u8>) {
        self.frames.push_back(frame);
    }

    /// Does what a record asks for. Returns what has to be added to it.
    pub fn answer(&mut self, asked: &BTreeMap<String, String>) -> (&'static str, String) {
        let answer = self.act(asked).unwrap_or_else(|error| {
            log_line(&error);
            "error".to_owned()
        });
        // The guest waits for this, and without it runs into its deadline.
        let _ = self.agent.console_input(&self.domain.name, b"\n");
        ("dom0", answer)
    }

    fn act(&mut self, asked: &BTreeMap<String, String>) -> Result<String> {
        let said = |key: &str| asked.get(key).map_or("", String::as_str);
        let done = "done".to_owned();
        Ok(match said("ask") {
            "store-read" => {
                self.agent.store_read(&self.path(said("path")))?.map_or_else(|| "none".to_owned(), |value| hex(&value))
            }
            "store-write" => {
                self.agent.store_write(&self.path(said("path")), &bytes(said("value"))?)?;
                done
            }
            "store-list" => {
                let mut names = self.agent.store_list(&self.path(said("path")))?;
                names.sort();
                names.join(",")
            }
            "store-many" => {
                for number in 0..number(said("count"))? {
                    let path = format!("{}/a-child-with-quite-a-long-name-{number:05}", self.path(said("path")));
                    self.agent.store_write(&path, b"")?;
                }
                done
            }
            "grant-map" => match self.agent.map_grant(&self.domain.name, number(said("ref"))?) {
                Ok(mapping) => {
                    self.mapping = Some(mapping);
                    hex(&self.agent.read_grant(mapping, 0, 16)?)
                }
                Err(_) => "refused".to_owned(),
            },
            "grant-write" => {
                self.agent.write_grant(self.mapping()?, 0, &bytes(said("value"))?)?;
                done
            }
            "grant-unmap" => {
                self.agent.unmap_grant(self.mapping()?)?;
                self.mapping = None;
                done
            }
            "frame-send" => {
                let (seed, length) = (number64(said("seed"))?, number(said("length"))?);
                let frame = frames::experiment(seed, length as usize);
                for _ in 0..number(said("count"))? {
                    self.agent.inject(&self.interface(), &frame)?;
                }
                done
            }
            "frames-watch" => {
                self.stop_watching();
                self.capture = Some(self.agent.capture(&self.interface())?);
                done
            }
            "frames-seen" => {
                let seen = self.seen(number(said("type"))?, number(said("count"))?)?;
                list(seen.iter().map(fnv1a64))
            }
            "frames-digest" => {
                let seen = self.seen(number(said("type"))?, number(said("count"))?)?;
                fnv1a64(seen.concat()).to_string()
            }
            "arp" => {
                let host = number(said("host"))? as u8;
                self.agent.inject(&self.interface(), &frames::arp_request(host))?;
                done
            }
            "ping" => {
                let (host, length) = (number(said("host"))? as u8, number(said("length"))? as usize);
                self.agent.inject(&self.interface(), &frames::ping(host, number64(said("seed"))?, length))?;
                done
            }
            "ping-seen" => {
                let answers = [self.seen(0x0806, 1)?, self.seen(0x0800, 1)?].concat();
                list(answers.iter().map(fnv1a64))
            }
            "disk-read" => hex(&self.image(asked)?),
            "disk-digest" => format!("{:016x}", fnv1a64(self.image(asked)?)),
            "disk-write" => {
                self.agent.put_part(DISK, number(said("offset"))?.into(), &bytes(said("value"))?)?;
                done
            }
            other => return Err(Error::fault(format!("a check asks dom0 for {other:?}"))),
        })
    }

    /// The first interface of the guest, as dom0 calls it.
    fn interface(&self) -> String {
        format!("vif{}.0", self.domain.domid)
    }

    /// The next `count` frames of this type that the guest sends; fewer, if no more come in time.
    fn seen(&mut self, kind: u32, count: u32) -> Result<Vec<Vec<u8>>> {
        let kind = (kind as u16).to_be_bytes();
        let mut seen = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (wanted, others): (VecDeque<_>, _) =
                std::mem::take(&mut self.frames).into_iter().partition(|frame| frame.get(12..14) == Some(&kind[..]));
            self.frames = others;
            for frame in wanted {
                if seen.len() < count as usize { seen.push(frame) } else { self.frames.push_back(frame) }
            }
            if seen.len() == count as usize || Instant::now() >= deadline {
                return Ok(seen);
            }
            match self.agent.events().next(Duration::from_millis(100))? {
                Some(Event::Frame { sent: false, bytes, .. }) => self.frames.push_back(bytes),
                // Whatever else happens is for whoever looks after the guest.
                Some(event) => self.held.push_back(event),
                None => {}
            }
        }
    }

    fn stop_watching(&mut self) {
        if let Some(capture) = self.capture.take() {
            let _ = self.agent.stop_capture(capture);
            self.frames.clear();
        }
    }

    /// The bytes of the disk's image that a record names.
    fn image(&self, asked: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let said = |key: &str| number(asked.get(key).map_or("", String::as_str));
        self.agent.get_part(DISK, said("offset")?.into(), said("length")?)
    }

    fn mapping(&self) -> Result<u64> {
        self.mapping.ok_or_else(|| Error::fault("a check uses a page that is not mapped"))
    }

    fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("/local/domain/{}/{path}", self.domain.domid) }
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.stop_watching();
        // A domain is only gone when nobody has its pages mapped.
        if let Some(mapping) = self.mapping {
            let _ = self.agent.unmap_grant(mapping);
        }
    }
}

fn log_line(error: &Error) {
    eprintln!("dom0 can't answer a check: {}", error.message);
}

fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::fault(format!("a check names the number {text:?}")))
}

fn number64(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::fault(format!("a check names the number {text:?}")))
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    let digits = if text == "-" { "" } else { text };
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = (0..digits.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>();
    bytes.ok_or_else(|| Error::fault(format!("a check names the bytes {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_the_guest_writes_them() {
        assert_eq!(bytes("-").unwrap(), b"");
        assert_eq!(bytes("0aff").unwrap(), [10, 255]);
        assert!(bytes("0x1f").is_err() && bytes("abc").is_err());
    }
}
