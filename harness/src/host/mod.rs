//! The test host's files. (Stands in until the recipe that builds them is there.)

use std::path::PathBuf;

/// A folder of the cache that holds what the test host boots.
#[derive(Clone, Debug)]
pub struct HostImage {
    /// The folder.
    pub dir: PathBuf,
    /// Hash of everything that decides its content.
    pub id: String,
    /// Packages that the archive has replaced since the recipe was locked.
    pub replaced: Vec<String>,
}

impl HostImage {
    /// The hypervisor.
    pub fn xen(&self) -> PathBuf {
        self.dir.join("xen")
    }

    /// dom0's kernel.
    pub fn vmlinuz(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// dom0's initramfs.
    pub fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs")
    }

    /// The kernel of the Linux guest.
    pub fn linux_guest_kernel(&self) -> PathBuf {
        self.dir.join("linux-guest/vmlinuz")
    }

    /// The initramfs of the Linux guest.
    pub fn linux_guest_initramfs(&self) -> PathBuf {
        self.dir.join("linux-guest/initramfs")
    }
}
