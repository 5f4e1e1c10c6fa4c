//! A Linux PV guest and its console, for the tests that drive one.

use super::shared::{Lease, shared};
use super::{SCALE, image};
use harness::machine::{CreateOptions, Event, Machine, Reason};
use std::time::{Duration, Instant};

const KERNEL: &str = "/images/linux";
const RAMDISK: &str = "/images/linux.initramfs";

/// A machine with what such a guest boots.
pub fn with_linux() -> Lease {
    let mut machine = shared();
    machine.put_once(KERNEL, || std::fs::read(image().linux_guest_kernel()).unwrap());
    machine.put_once(RAMDISK, || std::fs::read(image().linux_guest_initramfs()).unwrap());
    machine
}

/// A Linux guest with a shell on its console.
pub fn linux(name: &str) -> CreateOptions {
    CreateOptions {
        ramdisk: Some(RAMDISK.into()),
        cmdline: "console=hvc0 quiet loglevel=4 mitigations=off".into(),
        memory_mib: 128,
        maxmem_mib: Some(128),
        ..CreateOptions::new(name, KERNEL)
    }
}

/// A Linux guest and what has been heard of it.
pub struct Guest<'a> {
    pub machine: &'a Machine,
    name: String,
    pub printed: String,
    pub events: Vec<Event>,
}

impl<'a> Guest<'a> {
    pub fn boot(machine: &'a Machine, options: &CreateOptions) -> Self {
        let domain = machine.agent().create(options).unwrap_or_else(|error| panic!("{error}"));
        let mut guest = Self { machine, name: domain.name, printed: String::new(), events: Vec::new() };
        guest.ready();
        guest
    }

    /// Waits for the shell, and stops it from echoing what is typed.
    pub fn ready(&mut self) {
        self.expect("linux guest: ready");
        self.expect("# ");
        let quiet = b"PS1=; stty -echo; echo qui''et\n";
        self.machine.agent().console_input(&self.name, quiet).unwrap();
        self.expect("quiet\r\n");
    }

    /// Waits until the guest has printed `text` and forgets everything up to it.
    pub fn expect(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.printed.find(text) {
                let before = self.printed[..at].to_owned();
                self.printed.drain(..at + text.len());
                return before;
            }
            self.listen(begun, text);
        }
    }

    /// Types a command and returns what it prints.
    pub fn run(&mut self, command: &str) -> String {
        let line = format!("{command}; echo end-of-it\n");
        self.machine.agent().console_input(&self.name, line.as_bytes()).unwrap();
        self.expect("end-of-it\r\n").replace('\r', "").trim().to_owned()
    }

    /// Waits for an event and forgets those before it.
    pub fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            while !self.events.is_empty() {
                if let Some(found) = wanted(&self.events.remove(0)) {
                    return found;
                }
            }
            self.listen(begun, what);
        }
    }

    pub fn exit(&mut self) -> Reason {
        self.event("exit", |event| match event {
            Event::Exited { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    pub fn gone(&mut self) {
        self.event("gone", |event| matches!(event, Event::Gone { .. }).then_some(()));
    }

    fn listen(&mut self, begun: Instant, awaited: &str) {
        let limit = Duration::from_secs_f64(40. * SCALE);
        if begun.elapsed() > limit {
            panic!("{:?} did not come. Printed: {:?}\n{}", awaited, self.printed, self.machine.standing());
        }
        match self.machine.agent().events().next(Duration::from_secs(1)).unwrap_or_else(|error| panic!("{error}")) {
            Some(Event::Console { domain, bytes }) if domain == self.name => {
                self.printed += &String::from_utf8_lossy(&bytes);
            }
            Some(event) => self.events.push(event),
            None => {}
        }
    }
}
