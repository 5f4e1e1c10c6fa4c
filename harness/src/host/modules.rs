//! Kernel modules: which are needed and in which order, from what each says about itself.
//!
//! Follows the kernel's `.modinfo` section: NUL-terminated `key=value`, where `depends` lists module names. No
//! depmod takes part, because a bare machine has none.

use super::deb::Tree;
use crate::error::{Error, Result};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// A module to load.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// Words for insmod.
    pub parameters: String,
    /// The uncompressed `.ko` file, signature included.
    pub data: Vec<u8>,
}

/// The wanted modules of kernel `version`, each after those it depends on. One that is built in is passed over.
pub fn load_order(tree: &Tree, version: &str, wanted: &[String]) -> Result<Vec<Module>> {
    let folder = format!("usr/lib/modules/{version}/");
    let files: BTreeMap<String, &str> = tree
        .paths()
        .filter(|path| path.starts_with(&folder))
        .filter_map(|path| Some((module_name(path)?, path)))
        .collect();
    let built_in = tree.require(&format!("{folder}modules.builtin"))?;
    let built_in: BTreeSet<String> = String::from_utf8_lossy(built_in).lines().filter_map(module_name).collect();
    let mut loading = Loading { tree, version, files, built_in, seen: BTreeSet::new(), order: Vec::new() };
    for line in wanted {
        let (name, parameters) = line.split_once(' ').unwrap_or((line, ""));
        loading.add(name, parameters)?;
    }
    Ok(loading.order)
}

/// Whether a path of the kernel's package may be a module that the test host needs. The others, four fifths of the
/// package, are not kept in memory.
pub fn plausible(path: &str) -> bool {
    const NEVER: [&str; 8] = [
        "/kernel/sound/",
        "/kernel/fs/",
        "/kernel/drivers/gpu/",
        "/kernel/drivers/media/",
        "/kernel/drivers/scsi/",
        "/kernel/drivers/infiniband/",
        "/kernel/drivers/net/ethernet/",
        "/kernel/drivers/net/wireless/",
    ];
    path.contains("/kernel/fs/configfs/") || !NEVER.iter().any(|folder| path.contains(folder))
}

struct Loading<'a> {
    tree: &'a Tree,
    version: &'a str,
    files: BTreeMap<String, &'a str>,
    built_in: BTreeSet<String>,
    seen: BTreeSet<String>,
    order: Vec<Module>,
}

impl Loading<'_> {
    fn add(&mut self, name: &str, parameters: &str) -> Result<()> {
        let name = name.replace('-', "_");
        if self.built_in.contains(&name) || !self.seen.insert(name.clone()) {
            return Ok(());
        }
        let data = match self.files.get(&name) {
            Some(path) => uncompressed(path, self.tree.require(path)?)?,
            None => {
                return Err(Error::fault(format!("kernel {} has no module {name}", self.version))
                    .next("correct the modules in images/dom0/recipe.toml"));
            }
        };
        for dependency in depends(&name, &data)? {
            self.add(&dependency, "")?;
        }
        self.order.push(Module { name, parameters: parameters.to_owned(), data });
        Ok(())
    }
}

/// The module's name in a path such as `kernel/drivers/xen/xen-evtchn.ko.xz`.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let name = file.strip_suffix(".ko").or_else(|| file.strip_suffix(".ko.xz"))?;
    Some(name.replace('-', "_"))
}

fn uncompressed(path: &str, data: &[u8]) -> Result<Vec<u8>> {
    if !path.ends_with(".xz") {
        return Ok(data.to_vec());
    }
    let mut plain = Vec::new();
    lzma_rust2::XzReader::new(data, true)
        .read_to_end(&mut plain)
        .map_err(|error| Error::fault(format!("{path} is not a whole xz file: {error}")))?;
    Ok(plain)
}

fn depends(name: &str, data: &[u8]) -> Result<Vec<String>> {
    let modinfo = object::File::parse(data)
        .and_then(|file| file.section_by_name_bytes(b".modinfo").map(|section| section.data()).transpose())
        .map_err(|error| Error::fault(format!("module {name} is not a whole ELF file: {error}")))?;
    Ok(parse_depends(modinfo.unwrap_or_default()))
}

fn parse_depends(modinfo: &[u8]) -> Vec<String> {
    let fields = modinfo.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let lists = fields.filter_map(|field| field.strip_prefix("depends=").map(str::to_owned));
    lists.flat_map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>()).filter(|n| !n.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modinfo_says_what_a_module_depends_on() {
        let modinfo = b"license=GPL\0alias=x\0depends=virtio,virtio_ring\0name=virtio_blk\0";
        assert_eq!(parse_depends(modinfo), ["virtio", "virtio_ring"]);
        assert!(parse_depends(b"depends=\0name=virtio\0").is_empty());
        assert!(parse_depends(b"").is_empty());
    }

    /// An ELF file with nothing but a `.modinfo` section and the table of section names.
    fn module(depends: &str) -> Vec<u8> {
        const NAMES: &[u8] = b"\0.modinfo\0.shstrtab\0";
        let modinfo = format!("license=GPL\0depends={depends}\0");
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        let end = 64 + modinfo.len() + NAMES.len();
        for half in [1_u16, 62, 1, 0] {
            file.extend(half.to_le_bytes());
        }
        for word in [0, 0, end as u64] {
            file.extend(word.to_le_bytes());
        }
        for half in [0_u16, 0, 64, 56, 0, 64, 3, 2] {
            file.extend(half.to_le_bytes());
        }
        file.extend(modinfo.as_bytes());
        file.extend(NAMES);
        let sections = [(0_u32, 0_u32, 0, 0), (1, 1, 64, modinfo.len()), (10, 3, 64 + modinfo.len(), NAMES.len())];
        for (name, kind, offset, size) in sections {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            for word in [0, 0, offset as u64, size as u64, 0, 1, 0] {
                file.extend(word.to_le_bytes());
            }
        }
        file
    }

    fn kernel() -> Tree {
        let at = |path: &str| format!("usr/lib/modules/6.1/kernel/{path}");
        Tree::of([
            (at("net/bridge/bridge.ko"), module("stp,llc")),
            (at("net/802/stp.ko"), module("llc")),
            (at("net/llc/llc.ko"), module("")),
            (at("drivers/xen/xen-evtchn.ko"), module("packet_thing")),
            ("usr/lib/modules/6.1/modules.builtin".to_owned(), b"kernel/net/packet-thing.ko\n".to_vec()),
        ])
    }

    #[test]
    fn a_module_comes_once_and_after_those_it_depends_on() {
        let wanted = ["xen-evtchn a=1 b", "packet_thing", "bridge", "llc x"].map(str::to_owned);
        let order = load_order(&kernel(), "6.1", &wanted).unwrap();
        let lines: Vec<_> = order.iter().map(|module| format!("{} {}", module.name, module.parameters)).collect();
        assert_eq!(lines, ["xen_evtchn a=1 b", "llc ", "stp ", "bridge "]);
    }

    #[test]
    fn an_unknown_module_is_named() {
        let error = load_order(&kernel(), "6.1", &["xen-none".to_owned()]).unwrap_err();
        assert_eq!(error.message, "kernel 6.1 has no module xen_none");
    }

    #[test]
    fn names_are_the_kernels() {
        assert_eq!(module_name("kernel/drivers/xen/xen-evtchn.ko.xz").unwrap(), "xen_evtchn");
        assert_eq!(module_name("usr/lib/modules/6.1/kernel/net/llc/llc.ko").unwrap(), "llc");
        assert_eq!(module_name("usr/lib/modules/6.1/modules.order"), None);
        assert!(plausible("usr/lib/modules/6.1/kernel/drivers/net/tun.ko"));
        assert!(plausible("usr/lib/modules/6.1/kernel/fs/configfs/configfs.ko"));
        assert!(!plausible("usr/lib/modules/6.1/kernel/drivers/gpu/drm/drm.ko"));
    }
}
