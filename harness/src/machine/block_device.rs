//! A disk of dom0's that isn't a file: one with large sectors, or with a cache of its own.
//!
//! It is Linux's `null_blk`, which keeps its blocks in memory and is configured through configfs
//! (`Documentation/block/null_blk.rst`). Its cache is a real one: a write is in it until it is flushed, and when the power goes, it is empty.
//!
//! Invariant: a device is gone when its value is, unless somebody still has it open.

use super::{Agent, outcome};
use crate::error::{Error, Result};

const FOLDER: &str = "/sys/kernel/config/nullb";

/// A disk of dom0's.
pub struct BlockDevice<'a> {
    agent: &'a Agent,
    name: String,
}

/// What it is like.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// How large it is, in MiB.
    pub mib: u64,
    /// Bytes in a sector of its own.
    pub sector: u64,
    /// How large its cache is, in MiB; 0 for none.
    pub cache_mib: u64,
    /// How long each request takes at least, in milliseconds.
    pub latency_ms: u64,
}

impl<'a> BlockDevice<'a> {
    /// Makes one, all zeros.
    pub fn new(agent: &'a Agent, name: &str, geometry: Geometry) -> Result<Self> {
        let Geometry { mib, sector, cache_mib, latency_ms } = geometry;
        // Completed by a timer, or at once; and as many at a time as a frontend may want.
        let (mode, nanoseconds) = if latency_ms > 0 { (2, latency_ms * 1_000_000) } else { (0, 0) };
        let device = Self { agent, name: name.to_owned() };
        device.run(&format!(
            "mkdir $device && cd $device && echo 1 > memory_backed && echo {mib} > size && echo {sector} > blocksize && \
             echo {cache_mib} > cache_size && echo 1 > discard && echo 1 > no_sched && echo 512 > hw_queue_depth && \
             echo {mode} > irqmode && echo {nanoseconds} > completion_nsec && echo 1 > power && test -b {}",
            device.path()
        ))?;
        Ok(device)
    }

    /// Its path in dom0.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    /// Takes its power away, and with that whatever is in its cache only, and gives it back. Nobody may have it open.
    pub fn pull_the_plug(&self) -> Result<()> {
        self.run("echo 0 > $device/power && echo 1 > $device/power")
    }

    /// Fills it.
    pub fn put(&self, bytes: &[u8]) -> Result<()> {
        let file = self.file();
        self.agent.put(&file, bytes)?;
        self.run(&format!("dd if={file} of={} bs=64k conv=fsync", self.path()))?;
        self.agent.remove(&file)
    }

    /// All that is on it.
    pub fn get(&self) -> Result<Vec<u8>> {
        let file = self.file();
        self.run(&format!("dd if={} of={file} bs=64k", self.path()))?;
        let bytes = self.agent.get(&file)?;
        self.agent.remove(&file)?;
        Ok(bytes)
    }

    fn file(&self) -> String {
        format!("/images/device-{}", self.name)
    }

    /// Runs a script that knows where the device is configured.
    fn run(&self, script: &str) -> Result<()> {
        let script = format!("device={FOLDER}/{}; {script}", self.name);
        let done = outcome(&self.agent.exec(&["sh", "-c", &script], b"")?);
        done.map(drop).map_err(|said| Error::fault(format!("dom0's block device {} can't be used: {said}", self.name)))
    }
}

impl Drop for BlockDevice<'_> {
    fn drop(&mut self) {
        // The machine is gone soon, and with it all of its devices.
        let _ = self.run("echo 0 > $device/power; rmdir $device");
    }
}
