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
//! | `disk-read` | `offset`, `length` | looks into the image of the guest's disk | the bytes in hexadecimal |
//! | `disk-digest` | `offset`, `length` | does so | the FNV-1a hash of the bytes, 64 bits, in hexadecimal |
//! | `disk-write` | `offset`, `value` in hexadecimal | changes it | `done` |
//!
//! Paths that don't begin with `/` begin at the domain's own folder. What fails becomes `error`.
//!
//! Invariant: dom0 does nothing that the check of the guest's own program has not asked for: an exercise can't make a record.

use super::expect::{fnv1a64, hex};
use crate::error::{Error, Result};
use crate::machine::{Agent, Domain};
use std::collections::BTreeMap;

/// The image of the disk that a check's guest has, where the stage's manifest gives it one.
pub const DISK: &str = "/images/check-disk";

/// Dom0, as the checks of one domain see it.
pub struct Outside<'a> {
    agent: &'a Agent,
    domain: Domain,
    mapping: Option<u64>,
}

impl<'a> Outside<'a> {
    /// For this domain.
    pub fn new(agent: &'a Agent, domain: Domain) -> Self {
        Self { agent, domain, mapping: None }
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
            "disk-read" => hex(&self.image(asked)?),
            "disk-digest" => format!("{:016x}", fnv1a64(&self.image(asked)?)),
            "disk-write" => {
                self.agent.put_part(DISK, number(said("offset"))?.into(), &bytes(said("value"))?)?;
                done
            }
            other => return Err(Error::fault(format!("a check asks dom0 for {other:?}"))),
        })
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
