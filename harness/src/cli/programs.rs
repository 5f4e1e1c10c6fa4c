//! What the commands take that build and boot a program: a stage or an application.

use super::Whose;
use clap::Args;
use std::path::PathBuf;

/// The program.
#[derive(Args, Clone, Debug, Default)]
pub struct Program {
    /// A stage (stage1, 1, console) or an application of images/ (http).
    #[arg(value_name = "NAME", required_unless_present = "manifest_path")]
    pub name: Option<String>,
    /// An application anywhere else: its Cargo.toml, or the folder that this is in.
    #[arg(long, value_name = "PATH", conflicts_with = "name")]
    pub manifest_path: Option<PathBuf>,
}

/// `harness run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness run stage1 --solution\n  \
    cargo harness run stage1 --solution --cmdline 'app=echo log=debug'\n  \
    cargo harness run stage1 --solution --gdb      then type the gdb line it prints\n  \
    cargo harness run http --forward 8080:80       then http://127.0.0.1:8080/\n  \
    cargo harness run --manifest-path ~/service --forward 8080:80\n\n\
    An application runs on the references; with --base mine, on your own kernel.\n\
    On a terminal, Ctrl-] begins a command: q leave, s shut down, p pause and go on, ? help.\n\
    Exit status: 0 when the guest powered off (or you left), 3 when it crashed or its time was up.")]
pub struct Run {
    /// What is run.
    #[command(flatten)]
    pub program: Program,
    /// Whose work.
    #[command(flatten)]
    pub whose: Whose,
    /// The guest's memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32)]
    pub memory: u64,
    /// The memory that it may grow to, in MiB.
    #[arg(long, value_name = "MIB")]
    pub maxmem: Option<u64>,
    /// The guest's vCPUs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub vcpus: u32,
    /// The guest's command line.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub cmdline: String,
    /// A disk image for the guest, writable; may be repeated (xvda, xvdb, ...), up to 256 MiB in all. The guest gets a
    /// copy, which takes the file's place when it has ended; Ctrl-C without a terminal leaves the file as it is.
    #[arg(long, value_name = "FILE")]
    pub disk: Vec<PathBuf>,
    /// Connect a port of this machine to one of the guest, which DHCP gives 10.0.2.15; may be repeated.
    #[arg(long, value_name = "HOST:GUEST", value_parser = forward)]
    pub forward: Vec<(u16, u16)>,
    /// End the guest after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Wait for gdb before the guest starts.
    #[arg(long)]
    pub gdb: bool,
}

/// `harness build`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo harness build stage1 --solution --out stage1.elf\n  cargo harness build http"
)]
pub struct Build {
    /// What is built.
    #[command(flatten)]
    pub program: Program,
    /// Whose work.
    #[command(flatten)]
    pub whose: Whose,
    /// Copy the image that Xen boots to this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `harness image`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness image http                    into target/images/http\n  \
    cargo harness image http --out ~/http --check --memory 64 --cmdline 'ip=10.0.0.7/24 gw=10.0.0.1'\n  \
    cargo harness image --manifest-path ~/service\n\n\
    Copy the folder to a Xen host, and there, in it: xl create http.cfg")]
pub struct Image {
    /// What is shipped.
    #[command(flatten)]
    pub program: Program,
    /// Whose work.
    #[command(flatten)]
    pub whose: Whose,
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Have the test host's xl read the configuration.
    #[arg(long)]
    pub check: bool,
    /// The guest's memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(4..))]
    pub memory: u32,
    /// The guest's vCPUs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub vcpus: u32,
    /// The guest's command line.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub cmdline: String,
}

fn forward(text: &str) -> Result<(u16, u16), String> {
    let port = |part: &str| part.parse::<u16>().ok().filter(|port| *port > 0);
    let ports = text.split_once(':').and_then(|(host, guest)| Some((port(host)?, port(guest)?)));
    ports.ok_or_else(|| "write two port numbers as HOST:GUEST, for example 8080:80".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_checked() {
        assert_eq!(forward("8080:80"), Ok((8080, 80)));
        assert!(forward("8080").is_err() && forward("0:80").is_err() && forward("80:99999").is_err());
    }
}
