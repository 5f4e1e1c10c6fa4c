//! The real interface, as the checks of 6b, 6c and 6d use it: by the driver, and without any protocols above it.
//!
//! Invariant: afterwards the interface is as it was before: the ordinary boot connects to it anew.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::types::Domid;
use netfront::link::{Link, drive};
use netfront::phy::Wire;
use netfront::queues::Queues;
use threads::time::{after, now};
use xenbus::frontend::{Device, Driver};
use xenbus::store::Store;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The type of the frames that checks send and receive: IEEE 802's for local experiments.
pub const EXPERIMENT: u16 = 0x88b5;

/// The first interface, connected.
pub struct LiveLink {
    link: Arc<Link>,
    driver: Box<dyn Driver>,
    device: Device,
}

impl LiveLink {
    /// Connects to the backend, which must be waiting.
    pub fn open() -> Option<Self> {
        let path = String::from("device/vif/0");
        let backend = Store::shared().read_text(&format!("{path}/backend")).ok()?;
        let device = Device { kind: "vif", name: String::from("0"), path, backend, backend_domain: Domid(0) };
        let link = Arc::new(Link::new("0"));
        let mut opened = Self { driver: drive(link.clone()), link, device };
        opened.until_backend(b"2")?;
        let details = opened.driver.publish(&opened.device).ok()?;
        for (key, value) in details {
            Store::shared().write(&format!("{}/{key}", opened.device.path), value.as_bytes()).ok()?;
        }
        opened.say(b"4")?;
        opened.until_backend(b"4")?;
        opened.driver.connect(&opened.device).ok()?;
        Some(opened)
    }

    fn say(&self, state: &[u8]) -> Option<()> {
        Store::shared().write(&format!("{}/state", self.device.path), state).ok()
    }

    fn until_backend(&self, state: &[u8]) -> Option<()> {
        let deadline = after(PATIENCE);
        while Store::shared().read(&format!("{}/state", self.device.backend)).ok()? != state {
            if now() >= deadline {
                return None;
            }
            threads::thread::sleep(Duration::from_millis(10));
        }
        Some(())
    }

    /// Works with the rings.
    pub fn with<R>(&self, work: impl FnOnce(&mut Queues) -> R) -> Option<R> {
        self.link.state().lock().queues.as_mut().map(work)
    }

    /// The next frame of type [`EXPERIMENT`]; empty if none comes in time.
    pub fn receive(&self) -> Vec<u8> {
        let deadline = after(Duration::from_secs(5));
        loop {
            let frame = self.with(|queues| {
                let frame = queues.receive();
                (frame, queues.settle())
            });
            match frame {
                Some((Some(frame), _)) if frame.bytes.get(12..14) == Some(&EXPERIMENT.to_be_bytes()[..]) => {
                    return frame.bytes;
                }
                Some((None, settled)) if !settled.more => {
                    if now() >= deadline {
                        return Vec::new();
                    }
                    self.link.signal().wait(Some(deadline));
                }
                None => return Vec::new(),
                _ => {}
            }
        }
    }

    /// Gives everything back, and has the backend wait again.
    pub fn close(mut self) {
        let _ = self.say(b"5");
        let _ = self.until_backend(b"5");
        self.driver.release();
        let _ = self.say(b"6");
        let _ = self.until_backend(b"6");
        let _ = self.say(b"1");
        let _ = self.until_backend(b"2");
    }
}
