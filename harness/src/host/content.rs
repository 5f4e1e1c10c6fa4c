//! Puts the image together: packages' files, scripts and the agent become what QEMU and xl boot.
//!
//! Invariant: all six files come from the packages, from `images/dom0` and from the compiled agent, and from
//! nothing else on the machine.

use super::deb::Tree;
use super::initramfs::Initramfs;
use super::packages::Set;
use super::recipe::{self, Recipe, System};
use super::{libraries, modules};
use crate::error::{Context, Error, Result};
use crate::ui::Ui;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

/// The hypervisor, an ELF file.
pub const XEN: &str = "xen";
/// dom0's kernel.
pub const KERNEL: &str = "vmlinuz";
/// dom0's initramfs.
pub const INITRAMFS: &str = "initramfs";
/// The Linux PV guest's kernel.
pub const GUEST_KERNEL: &str = "linux-guest/vmlinuz";
/// The Linux PV guest's initramfs.
pub const GUEST_INITRAMFS: &str = "linux-guest/initramfs";
/// An archive behind that one: what a guest needs to serve pages.
pub const GUEST_SERVER: &str = "linux-guest/server";
/// All files of an image but the manifest.
pub const FILES: [&str; 6] = [XEN, KERNEL, INITRAMFS, GUEST_KERNEL, GUEST_INITRAMFS, GUEST_SERVER];

/// Where the agent is in dom0.
const AGENT: &str = "usr/sbin/agent";

/// Writes the image of `set` into `dir`.
pub fn write(repo: &Path, recipe: &Recipe, set: &Set, agent: &[u8], dir: &Path, ui: &Ui) -> Result<()> {
    let step = ui.step("Unpacking the packages of Xen and Linux");
    let tree = unpack(recipe, set)?;
    step.say("Building the test host's image");
    let content = Content { repo, recipe, set, tree: &tree };
    let xen = tree.require(&set.names.expand(&recipe.boot.xen))?;
    put(dir, XEN, &gunzip(xen)?)?;
    put(dir, INITRAMFS, &content.dom0(agent)?)?;
    let guest = dir.join("linux-guest");
    fs::create_dir(&guest).on("make", &guest)?;
    put(dir, GUEST_INITRAMFS, &content.linux_guest()?)?;
    put(dir, GUEST_SERVER, &content.linux_server()?)?;
    let kernel = tree.require(&set.names.expand(&recipe.boot.kernel))?;
    put(dir, KERNEL, kernel)?;
    put(dir, GUEST_KERNEL, kernel)
}

fn put(dir: &Path, name: &str, data: &[u8]) -> Result<()> {
    let path = dir.join(name);
    fs::write(&path, data).on("write", &path)
}

fn gunzip(data: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let read = flate2::read::GzDecoder::new(data).read_to_end(&mut plain);
    read.map_err(|error| Error::fault(format!("the hypervisor's package is damaged: {error}")))?;
    Ok(plain)
}

/// Reads the packages, keeping what may be wanted.
fn unpack(recipe: &Recipe, set: &Set) -> Result<Tree> {
    let named: Vec<_> = [&recipe.boot.xen, &recipe.boot.kernel]
        .into_iter()
        .chain(&recipe.dom0.programs)
        .chain(&recipe.linux_guest.programs)
        .chain(&recipe.linux_server.programs)
        .map(|path| set.names.expand(path))
        .collect();
    let kernel_modules = format!("usr/lib/modules/{}/", set.names.kernel);
    let wanted = |path: &str| {
        named.iter().any(|name| name == path)
            || path.starts_with(&kernel_modules) && modules::plausible(path)
            || path.starts_with(libraries::FOLDER) && path.contains(".so.")
            || path.starts_with("usr/lib64/")
    };
    let mut tree = Tree::default();
    for package in &set.packages {
        tree.add(&set.file(package), wanted)?;
    }
    Ok(tree)
}

struct Content<'a> {
    repo: &'a Path,
    recipe: &'a Recipe,
    set: &'a Set,
    tree: &'a Tree,
}

impl Content<'_> {
    fn dom0(&self, agent: &[u8]) -> Result<Vec<u8>> {
        let mut image = Initramfs::default();
        for folder in
            ["images", "var/lib/xen", "var/lib/xenstored", "var/log/xen", "run/xen", "run/xenstored", "run/lock"]
        {
            image.folder(folder);
        }
        image.link("var/run", "../run");
        image.link("var/lock", "../run/lock");
        image.program(AGENT, agent);
        self.system(&mut image, &self.recipe.dom0, Some(agent))?;
        image.archive()
    }

    fn linux_guest(&self) -> Result<Vec<u8>> {
        let mut image = Initramfs::default();
        self.system(&mut image, &self.recipe.linux_guest, None)?;
        image.archive()
    }

    fn linux_server(&self) -> Result<Vec<u8>> {
        let mut image = Initramfs::default();
        self.programs(&mut image, &self.recipe.linux_server.programs, &[], None)?;
        image.archive()
    }

    /// What dom0 and the guest have in common: folders, programs with their libraries, modules, scripts.
    fn system(&self, image: &mut Initramfs, system: &System, agent: Option<&[u8]>) -> Result<()> {
        for folder in ["dev", "proc", "sys", "tmp", "run"] {
            image.folder(folder);
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            image.folder(&format!("usr/{name}"));
            image.link(name, &format!("usr/{name}"));
        }
        image.link("usr/bin/sh", "busybox");
        self.programs(image, &system.programs, &system.libraries, agent)?;
        self.modules(image, &system.modules)?;
        for (name, place) in &system.scripts {
            let path = recipe::folder(self.repo).join(name);
            let data = fs::read(&path).on("read", &path)?;
            if data.starts_with(b"#!") { image.program(place, &data) } else { image.file(place, &data) }
        }
        Ok(())
    }

    /// Programs, with links where each is found, and their libraries.
    fn programs(
        &self,
        image: &mut Initramfs,
        patterns: &[String],
        libraries: &[String],
        agent: Option<&[u8]>,
    ) -> Result<()> {
        let mut programs = Vec::new();
        for pattern in patterns {
            let path = self.set.names.expand(pattern);
            let data = self.tree.require(&path)?;
            image.program(&path, data);
            let name = path.rsplit('/').next().unwrap_or_default();
            let link = format!("usr/bin/{name}");
            if link != path {
                image.link(&link, &format!("/{path}"));
            }
            programs.push((path, data));
        }
        let elf = programs.iter().map(|(path, data)| (path.as_str(), *data));
        let needed = libraries::closure(self.tree, elf.chain(agent.map(|data| (AGENT, data))), libraries)?;
        for (path, data) in needed {
            image.program(&path, data);
        }
        Ok(())
    }

    fn modules(&self, image: &mut Initramfs, wanted: &[String]) -> Result<()> {
        let mut list = String::new();
        for module in modules::load_order(self.tree, &self.set.names.kernel, wanted)? {
            let path = format!("usr/lib/modules/{}.ko", module.name);
            image.file(&path, &module.data);
            let _ = writeln!(list, "{}", format!("/{path} {}", module.parameters).trim_end());
        }
        image.file("etc/modules", list.as_bytes());
        Ok(())
    }
}
