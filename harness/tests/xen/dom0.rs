//! What dom0 sees of a guest: its processors and what they cost, and the time of day.

use harness::machine::Machine;
use std::time::Duration;

/// A vCPU, as `xl vcpu-list` has it.
pub struct Vcpu {
    /// It is on a processor (`r`), blocked (`b`), or switched off (`p`).
    pub state: String,
    /// For how long it has run, in tenths of a second.
    pub tenths: u64,
}

impl Vcpu {
    pub fn is_off(&self) -> bool {
        self.state.contains('p')
    }
}

fn said(machine: &Machine, argv: &[&str]) -> String {
    let output = machine.agent().exec_within(argv, b"", Duration::from_secs(120)).unwrap();
    assert_eq!(output.status, 0, "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The vCPUs of a guest, in their order.
pub fn vcpus(machine: &Machine, guest: &str) -> Vec<Vcpu> {
    let listed = said(machine, &["xl", "vcpu-list", guest]);
    let lines = listed.lines().filter(|line| line.starts_with(guest));
    // Name, number of the domain, of the vCPU, of the processor, state, seconds.
    let vcpu = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seconds: f64 = words[5].parse().unwrap_or_else(|_| panic!("{listed}"));
        Vcpu { state: words[4].to_owned(), tenths: (seconds * 10.).round() as u64 }
    };
    lines.map(vcpu).collect()
}

/// For how many tenths of a second all of a guest's vCPUs together have run.
pub fn tenths_of_seconds(machine: &Machine, guest: &str) -> u64 {
    vcpus(machine, guest).iter().map(|vcpu| vcpu.tenths).sum()
}

/// How much of a processor a guest uses during so many seconds, in percent, as `xentop` has it.
pub fn percent(machine: &Machine, guest: &str, seconds: u32) -> f64 {
    // Its first round knows nothing of before.
    let said = said(machine, &["xentop", "--batch", "--iterations", "2", "--delay", &seconds.to_string()]);
    let lines: Vec<_> = said.lines().filter(|line| line.split_whitespace().next() == Some(guest)).collect();
    assert_eq!(lines.len(), 2, "{said}");
    lines[1].split_whitespace().nth(3).and_then(|percent| percent.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// What time it is, in seconds since 1970.
pub fn date(machine: &Machine) -> u64 {
    said(machine, &["date", "+%s"]).trim().parse().unwrap()
}
