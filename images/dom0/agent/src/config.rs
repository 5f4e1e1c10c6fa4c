//! What a domain is made of, and its text in xl's configuration format (xl.cfg(5)).
//!
//! Invariant: whatever the strings hold, the text has exactly the settings of [`CreateOptions`], each quoted so
//! that none can end its own quotes. Only `extra_lines` are taken as they are.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A domain to be made. `..CreateOptions::new(name, kernel)` has sensible values for the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateOptions {
    /// Its name: letters, digits, `-`, `_`, `.`; not in use.
    pub name: String,
    /// How Xen runs it.
    pub kind: Kind,
    /// The kernel's path in dom0.
    pub kernel: String,
    /// The initramfs's path in dom0.
    pub ramdisk: Option<String>,
    /// The command line.
    pub cmdline: String,
    /// Memory at start, in MiB.
    pub memory_mib: u32,
    /// The most memory it may balloon to, in MiB.
    pub maxmem_mib: Option<u32>,
    /// vCPUs online at start.
    pub vcpus: u32,
    /// The most vCPUs.
    pub maxvcpus: Option<u32>,
    /// Network interfaces.
    pub vifs: Vec<Vif>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Whether it waits for an unpause.
    pub paused: bool,
    /// What becomes of it when it powers off.
    pub on_poweroff: Action,
    /// What becomes of it when it reboots.
    pub on_reboot: Action,
    /// What becomes of it when it crashes.
    pub on_crash: Action,
    /// Event channel ports; xl's own default is 1023.
    pub max_event_channels: Option<u32>,
    /// How RDTSC works.
    pub tsc_mode: TscMode,
    /// Lines added as they are.
    pub extra_lines: Vec<String>,
}

impl CreateOptions {
    /// A PV domain with one vCPU and 64 MiB.
    pub fn new(name: impl Into<String>, kernel: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Pv,
            kernel: kernel.into(),
            ramdisk: None,
            cmdline: String::new(),
            memory_mib: 64,
            maxmem_mib: None,
            vcpus: 1,
            maxvcpus: None,
            vifs: Vec::new(),
            disks: Vec::new(),
            paused: false,
            on_poweroff: Action::Destroy,
            on_reboot: Action::Destroy,
            on_crash: Action::Destroy,
            max_event_channels: None,
            tsc_mode: TscMode::Native,
            extra_lines: Vec::new(),
        }
    }

    /// The configuration in xl's format; an error says which name cannot be used.
    pub fn to_xl(&self) -> Result<String, String> {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(usable) {
            return Err(format!("{:?} cannot name a domain: use letters, digits, '-', '_' and '.'", self.name));
        }
        let mut text = String::new();
        let mut set = |key: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}={value}");
        };
        set("name", quote(&self.name));
        set("type", quote(self.kind.name()));
        set("kernel", quote(&self.kernel));
        self.ramdisk.iter().for_each(|path| set("ramdisk", quote(path)));
        if !self.cmdline.is_empty() {
            set("cmdline", quote(&self.cmdline));
        }
        set("memory", self.memory_mib.to_string());
        self.maxmem_mib.iter().for_each(|mib| set("maxmem", mib.to_string()));
        set("vcpus", self.vcpus.to_string());
        self.maxvcpus.iter().for_each(|count| set("maxvcpus", count.to_string()));
        set("vif", list(self.vifs.iter().map(Vif::to_xl)));
        set("disk", list(self.disks.iter().map(Disk::to_xl)));
        set("on_poweroff", quote(self.on_poweroff.name()));
        set("on_reboot", quote(self.on_reboot.name()));
        set("on_crash", quote(self.on_crash.name()));
        self.max_event_channels.iter().for_each(|ports| set("max_event_channels", ports.to_string()));
        set("tsc_mode", quote(self.tsc_mode.name()));
        self.extra_lines.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        Ok(text)
    }
}

/// How Xen runs a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // Xen's own terms.
pub enum Kind {
    Pv,
    Pvh,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh => "pvh",
        }
    }
}

/// What xl does with a domain that has stopped (`on_poweroff` and the like).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // xl's own terms.
pub enum Action {
    Destroy,
    Restart,
    Preserve,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Destroy => "destroy",
            Self::Restart => "restart",
            Self::Preserve => "preserve",
        }
    }
}

/// What a guest's RDTSC does. xl's own default traps each one where the machine has no invariant TSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // xl's own terms.
pub enum TscMode {
    Default,
    Native,
    AlwaysEmulate,
}

impl TscMode {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Native => "native",
            Self::AlwaysEmulate => "always_emulate",
        }
    }
}

/// A network interface (xl-network-configuration(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vif {
    /// Its address; Xen draws one otherwise.
    pub mac: Option<String>,
    /// The bridge in dom0; `xenbr0` otherwise.
    pub bridge: Option<String>,
    /// Further settings, as `rate=10Mb/s`.
    pub more: Option<String>,
}

impl Vif {
    /// The value of an element of `vif`, or of `xl network-attach`'s arguments once split at its commas.
    pub fn to_xl(&self) -> String {
        let mut text = format!("bridge={}", self.bridge.as_deref().unwrap_or("xenbr0"));
        self.mac.iter().for_each(|mac| text.push_str(&format!(",mac={mac}")));
        self.more.iter().for_each(|more| text.push_str(&format!(",{more}")));
        text
    }
}

/// A disk: a raw image file or a block device of dom0 (xl-disk-configuration(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its path in dom0.
    pub path: String,
    /// Its name in the guest, such as `xvda`.
    pub vdev: String,
    /// Whether the guest may write.
    pub writable: bool,
}

impl Disk {
    /// The value of an element of `disk`, or of `xl block-attach`'s argument.
    pub fn to_xl(&self) -> String {
        let access = if self.writable { "rw" } else { "ro" };
        // The path comes last because there it may hold commas.
        format!("format=raw,vdev={},access={access},target={}", self.vdev, self.path)
    }
}

fn list(values: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = values.map(|value| quote(&value)).collect();
    format!("[{}]", quoted.join(","))
}

/// A string in xl's quotes. Its lexer knows C's escapes.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            // Hexadecimal, because xl reads octal escapes as decimal. Exactly two digits belong to it.
            other => quoted.push_str(&format!("\\x{other:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_a_small_pv_domain_with_a_native_tsc() {
        let text = CreateOptions::new("demo", "/images/kernel").to_xl().unwrap();
        assert_eq!(
            text,
            "name=\"demo\"\ntype=\"pv\"\nkernel=\"/images/kernel\"\nmemory=64\nvcpus=1\nvif=[]\ndisk=[]\n\
             on_poweroff=\"destroy\"\non_reboot=\"destroy\"\non_crash=\"destroy\"\ntsc_mode=\"native\"\n"
        );
    }

    #[test]
    fn strings_cannot_leave_their_quotes() {
        let mut options = CreateOptions::new("demo", "/k");
        options.cmdline = "a=\"b\\\"\nmemory=1 é".into();
        options.disks = vec![Disk { path: "/a,b\"c".into(), vdev: "xvda".into(), writable: false }];
        let text = options.to_xl().unwrap();
        assert!(text.contains("cmdline=\"a=\\\"b\\\\\\\"\\x0amemory=1 \\xc3\\xa9\"\n"), "{text}");
        assert!(text.contains("disk=[\"format=raw,vdev=xvda,access=ro,target=/a,b\\\"c\"]\n"), "{text}");
    }

    #[test]
    fn names_that_would_be_paths_are_refused() {
        for name in ["", "../x", "a b", "a\nb", &"x".repeat(65)] {
            assert!(CreateOptions::new(name, "/k").to_xl().is_err(), "{name:?}");
        }
    }
}
