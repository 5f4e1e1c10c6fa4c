//! Saved machines: dom0 is booted once, and every run begins where that boot ended.
//!
//! The state is QEMU's migration stream of a stopped machine. Its cache entry is named after all that the machine
//! sees; paths, forwards and the debugger's port are not among it.
//!
//! Invariant: no machine is ever started from a state other than the one that was saved: length and CRC-32 are checked
//! while it is fed to QEMU, which gets the last bytes only if they are right.

use crate::cache;
use crate::error::{Context, Error, Kind, Result};
use crate::host::HostImage;
use crate::machine::boot::Boot;
use crate::machine::deadline::{Deadline, Deadlines};
use crate::machine::{Accelerator, Options, boot};
use crate::ui::Ui;
use rustix::fs::statvfs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const STATE: &str = "state";
const MANIFEST: &str = "manifest.toml";
/// A machine that nobody used for so long is removed.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);
/// How much is fed to QEMU at a time.
const STEP: usize = 1 << 20;

/// A saved machine in the cache.
pub struct Snapshot {
    dir: PathBuf,
    manifest: Manifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    bytes: u64,
    crc32: u32,
    /// Nanoseconds since 1970: tells a rebuilt state from its predecessor.
    made: String,
    qemu: String,
}

/// What decides a machine's state, and where it is kept.
#[derive(Clone, Copy)]
pub struct Recipe<'a> {
    /// The cache's root.
    pub cache_root: &'a Path,
    /// What it boots.
    pub image: &'a HostImage,
    /// Which machine.
    pub options: &'a Options,
    /// How QEMU runs it.
    pub accelerator: Accelerator,
    /// [`qemu::version`].
    pub qemu: &'a str,
}

impl Snapshot {
    /// Finds the saved machine, or boots one and saves it. One that is `bad` is made anew.
    pub fn ensure(recipe: &Recipe, bad: Option<&Snapshot>, ui: &Ui) -> Result<Self> {
        let usable = |dir: &Path| {
            let manifest = read_manifest(dir).ok();
            manifest.as_ref().is_some_and(|manifest| bad.is_none_or(|bad| bad.manifest != *manifest))
        };
        let name = recipe.name();
        let place = recipe.cache_root.join(&name);
        if bad.is_none() && place.exists() && !usable(&place) {
            ui.note("The saved test host is damaged: booting it anew.");
        }
        let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which boots the test host"));
        let dir = cache::entry(recipe.cache_root, &name, usable, waiting, |dir| build(recipe, dir, ui))?;
        let manifest = read_manifest(&dir)?;
        // Marks it as used; a cache that cannot be written does without.
        let _ = File::options().append(true).open(dir.join(MANIFEST)).map(|file| file.set_modified(SystemTime::now()));
        Ok(Self { dir, manifest })
    }

    /// Feeds the state to a QEMU that reads from the pipe returned. The thread fails if the state is damaged; it is no
    /// failure of the state if QEMU does not take it.
    pub fn feed(&self) -> Result<(OwnedFd, std::thread::JoinHandle<Result<()>>)> {
        let path = self.dir.join(STATE);
        let state = File::open(&path).on("open", &path)?;
        let (reader, writer) = std::io::pipe().doing("make a pipe")?;
        // As large as an ordinary user may make it: fewer switches between the two.
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, STEP);
        let manifest = self.manifest.clone();
        let fed = std::thread::spawn(move || feed(state, writer, &manifest));
        Ok((reader.into(), fed))
    }
}

impl Recipe<'_> {
    fn name(&self) -> String {
        let mut hash = Sha256::new();
        let mut machine = boot::machine(self.options, self.accelerator);
        machine.extend([self.qemu.to_owned(), self.image.id.clone(), self.accelerator.sees()]);
        for part in machine {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let counted = if self.options.counted { "counted-" } else { "" };
        format!("machine-{counted}{}-{hash}", if self.options.large { "large" } else { "normal" })
    }
}

/// Copies the state into the pipe, keeping the last step back until the checksum is known.
fn feed(mut state: File, mut pipe: impl Write, manifest: &Manifest) -> Result<()> {
    let damaged = |why: &str| Error::fault(format!("the saved test host is damaged ({why})"));
    let mut crc = crc32fast::Hasher::new();
    let mut left = manifest.bytes;
    let mut buffer = vec![0; STEP];
    while left > 0 {
        let step = &mut buffer[..STEP.min(left as usize)];
        state.read_exact(step).map_err(|error| damaged(&error.to_string()))?;
        crc.update(step);
        left -= step.len() as u64;
        if left == 0 && crc.clone().finalize() != manifest.crc32 {
            return Err(damaged("its checksum is wrong"));
        }
        if pipe.write_all(step).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).on("read", &path)?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|error| Error::fault(format!("{}: {error}", path.display())))?;
    let state = dir.join(STATE);
    let bytes = fs::metadata(&state).on("look at", &state)?.len();
    if bytes == manifest.bytes {
        return Ok(manifest);
    }
    Err(Error::fault(format!("{}: {bytes} bytes instead of {}", state.display(), manifest.bytes)))
}

/// Boots the machine and saves it into `dir`.
fn build(recipe: &Recipe, dir: &Path, ui: &Ui) -> Result<()> {
    // Better known now than after a minute.
    let needed = if recipe.options.large { 400 } else { 200 };
    let free = statvfs(dir).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >> 20);
    if free < needed {
        let what = format!("the saved test host needs {needed} MiB in {}, and {free} are free", dir.display());
        return Err(Error::missing(what).next("free some space, or point STARDUST_CACHE at a larger disk"));
    }
    let begun = Instant::now();
    tidy(recipe.cache_root);
    let deadlines = Deadlines::scaled(recipe.options.scale);
    let step = ui.step("Booting Xen and dom0 for the first time (15 to 60 s, once)");
    let boot = Boot::cold(recipe, &deadlines, 120.)?;
    step.say("Saving the booted test host");
    let (bytes, crc32) = save(&boot, dir, deadlines.within(120.))?;
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let manifest = Manifest { bytes, crc32, made, qemu: recipe.qemu.to_owned() };
    let path = dir.join(MANIFEST);
    let text = toml::to_string(&manifest).map_err(|error| Error::fault(error.to_string()))?;
    fs::write(&path, text).on("write", &path)?;
    drop(step);
    ui.note(&format!("Test host booted and saved: {:.0} s, {} MiB.", begun.elapsed().as_secs_f64(), bytes >> 20));
    Ok(())
}

/// Removes machines that nobody has used for a while: each change to the host image leaves one behind.
fn tidy(cache_root: &Path) {
    for entry in fs::read_dir(cache_root).into_iter().flatten().flatten() {
        let used = fs::metadata(entry.path().join(MANIFEST)).and_then(|manifest| manifest.modified());
        let unused = used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > UNUSED));
        if unused && entry.file_name().to_string_lossy().starts_with("machine-") {
            // What cannot be removed only takes room.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Stops the machine and writes its state; returns its length and checksum.
fn save(boot: &Boot, dir: &Path, deadline: Deadline) -> Result<(u64, u32)> {
    let path = dir.join(STATE);
    let file = File::create(&path).on("make", &path)?;
    let (reader, writer) = std::io::pipe().doing("make a pipe")?;
    let qmp = &boot.qmp;
    qmp.execute("stop", json!({}), deadline)?;
    qmp.execute("migrate-set-parameters", json!({ "max-bandwidth": 10_000_000_000_u64 }), deadline)?;
    qmp.give("state", &writer, deadline)?;
    drop(writer);
    let saved = std::thread::spawn(move || receive(reader, file));
    qmp.execute("migrate", json!({ "uri": "fd:state" }), deadline)?;
    let status = loop {
        let migration = qmp.execute("query-migrate", json!({}), deadline)?;
        match migration["status"].as_str() {
            Some("setup" | "active" | "device") => {}
            Some(other) => break format!("{other} {}", migration["error-desc"].as_str().unwrap_or_default()),
            None => {}
        }
        if deadline.is_over() {
            return Err(deadline.missed("saving the test host", migration));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // QEMU closes the pipe when it has ended.
    boot.qemu.kill();
    let saved = saved.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())).on("write", &path)?;
    match status.trim() {
        "completed" => Ok(saved),
        other => Err(Error::new(Kind::Fault, format!("QEMU could not save the test host: {other}"))),
    }
}

fn receive(mut pipe: impl Read, mut file: File) -> std::io::Result<(u64, u32)> {
    let mut crc = crc32fast::Hasher::new();
    let mut bytes = 0;
    let mut buffer = vec![0; STEP];
    loop {
        match pipe.read(&mut buffer)? {
            0 => break,
            count => {
                crc.update(&buffer[..count]);
                file.write_all(&buffer[..count])?;
                bytes += count as u64;
            }
        }
    }
    // Where the system crashes soon after, the entry must not be there with half its bytes.
    file.sync_all()?;
    Ok((bytes, crc.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(dir: &Path, bytes: &[u8]) -> Manifest {
        fs::write(dir.join(STATE), bytes).unwrap();
        let manifest = Manifest {
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
            made: "1".into(),
            qemu: "QEMU".into(),
        };
        fs::write(dir.join(MANIFEST), toml::to_string(&manifest).unwrap()).unwrap();
        manifest
    }

    #[test]
    fn a_right_state_is_fed_whole_and_a_wrong_one_never_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let state: Vec<u8> = (0..3 * STEP + 5).map(|n| (n / 7) as u8).collect();
        let manifest = saved(dir.path(), &state);
        assert_eq!(read_manifest(dir.path()).unwrap(), manifest);
        let mut fed = Vec::new();
        feed(File::open(dir.path().join(STATE)).unwrap(), &mut fed, &manifest).unwrap();
        assert!(fed == state);
        let mut wrong = state.clone();
        wrong[1000] ^= 1;
        fs::write(dir.path().join(STATE), &wrong).unwrap();
        let mut fed = Vec::new();
        let error = feed(File::open(dir.path().join(STATE)).unwrap(), &mut fed, &manifest).unwrap_err();
        assert!(error.message.contains("its checksum is wrong"));
        assert!(fed.len() < state.len());
    }

    #[test]
    fn a_state_that_is_cut_short_is_noticed_at_once() {
        let dir = tempfile::tempdir().unwrap();
        saved(dir.path(), b"state");
        fs::write(dir.path().join(STATE), b"stat").unwrap();
        assert!(read_manifest(dir.path()).unwrap_err().message.contains("4 bytes instead of 5"));
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = receive(&b"state"[..], full).on("write", Path::new("/cache/state")).unwrap_err();
        assert_eq!(error.kind, Kind::Missing);
        assert!(error.next.unwrap().contains("free some space"));
    }

    #[test]
    fn only_machines_that_nobody_uses_are_tidied_away() {
        let root = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - 2 * UNUSED;
        for (name, old) in [("machine-a", true), ("machine-b", false), ("host-c", true)] {
            let dir = root.path().join(name);
            fs::create_dir(&dir).unwrap();
            let manifest = File::create(dir.join(MANIFEST)).unwrap();
            if old {
                manifest.set_modified(long_ago).unwrap();
            }
        }
        tidy(root.path());
        let mut left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["host-c", "machine-b"]);
    }
}
