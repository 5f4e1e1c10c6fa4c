//! The set of packages, from archives made up for it.

use super::*;
use crate::error::Kind;

/// An archive that has these packages now, and these of earlier.
#[derive(Clone, Default)]
struct Made {
    now: Vec<Described>,
    earlier: Vec<Described>,
}

/// What a package's file holds.
fn content(name: &str, version: &str) -> String {
    format!("the files of {name} {version}")
}

fn described(name: &str, version: &str, depends: &[&str]) -> Described {
    let content = content(name, version);
    let sha256 = recipe::hex(&Sha256::digest(&content));
    let package = Package { name: name.into(), version: version.into(), sha256, size: content.len() as u64 };
    let depends = depends.iter().map(|name| (*name).to_owned()).collect();
    Described { package, depends, library: name.starts_with("lib") }
}

impl Made {
    /// A release whose Xen's utilities have this version.
    fn with(utilities: &str) -> Self {
        let now = vec![
            described("xen-hypervisor-4.17-amd64", "4.17.7", &[]),
            described("xen-hypervisor-common", "4.17.7", &[]),
            described("linux-image-amd64", "6.1", &["linux-image-6.1.0-56-amd64"]),
            described("linux-image-6.1.0-56-amd64", "6.1.1", &["initramfs-tools"]),
            described("xen-utils-4.17", utilities, &["libxen", "python3"]),
            described("xen-utils-common", "4.17.7", &["libc6"]),
            described("xenstore-utils", "4.17.7", &["libc6"]),
            described("busybox-static", "1:1.35", &[]),
            described("nginx", "1.22.1", &["libc6"]),
            described("libxen", "4.17.7", &["libc6"]),
            described("libc6", "2.36", &[]),
            described("python3", "3.11", &["libc6"]),
        ];
        Self { now, earlier: Vec::new() }
    }
}

impl Archive for Made {
    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = self.now.iter().map(|item| item.package.name.clone());
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    }
    fn show(&self, names: &[String], every: bool) -> Result<Vec<Described>> {
        let known = self.now.iter().chain(self.earlier.iter().filter(|_| every));
        Ok(known.filter(|item| names.contains(&item.package.name)).cloned().collect())
    }
    fn download(&self, packages: &[Package], into: &Path, _: &Ui) -> Result<()> {
        for Package { name, version, .. } in packages {
            // apt's own names for them.
            fs::write(into.join(format!("{name}.deb")), content(name, version)).on("write in", into)?;
        }
        Ok(())
    }
    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// Fetches from an archive into a folder.
fn fetch(dir: &Path, locked: &[Package], refuse: bool, archive: Option<&Made>) -> Result<Set> {
    let recipe = Recipe::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    let source = Source { recipe: &recipe, release: "bookworm", dir, ui: &Ui::silent() };
    source.fetch_from(locked, refuse, || Ok(archive.expect("nothing is to be fetched").clone()))
}

fn versions(set: &Set) -> Vec<String> {
    set.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

const WHOLE: [&str; 9] = [
    "busybox-static 1:1.35",
    "libc6 2.36",
    "libxen 4.17.7",
    "linux-image-6.1.0-56-amd64 6.1.1",
    "nginx 1.22.1",
    "xen-hypervisor-4.17-amd64 4.17.7",
    "xen-utils-4.17 4.17.7",
    "xen-utils-common 4.17.7",
    "xenstore-utils 4.17.7",
];

#[test]
fn without_a_lock_file_the_archives_packages_and_their_libraries_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let set = fetch(dir.path(), &[], false, Some(&Made::with("4.17.7"))).unwrap();
    assert_eq!(versions(&set), WHOLE);
    assert_eq!(set.replaced, ["all packages, as there is no lock file for Debian bookworm"]);
    let kept = |package: &Package| fs::read_to_string(set.file(package)).unwrap();
    assert!(set.packages.iter().all(|package| kept(package) == content(&package.name, &package.version)));
    // Now there is one, and nothing that would have to be asked for.
    let again = fetch(dir.path(), &set.packages, true, None).unwrap();
    assert_eq!((versions(&again), again.replaced.len()), (versions(&set), 0));
    let refused = fetch(dir.path(), &[], true, None).err().unwrap();
    assert_eq!(refused.kind, Kind::Missing);
    assert!(refused.message.contains("no lock file") && refused.message.contains("--locked"), "{refused}");
}

#[test]
fn locked_packages_are_taken_as_long_as_the_archive_has_them() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let locked = fetch(dir.path(), &[], false, Some(&Made::with("4.17.7"))).unwrap().packages;
    let archive = Made { earlier: Made::with("4.17.7").now, ..Made::with("4.17.8") };
    let set = fetch(other.path(), &locked, true, Some(&archive)).unwrap();
    assert_eq!((versions(&set), set.replaced), (WHOLE.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn a_package_that_was_replaced_is_used_and_named_and_with_locked_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let locked = fetch(dir.path(), &[], false, Some(&Made::with("4.17.7"))).unwrap().packages;
    let refused = fetch(other.path(), &locked, true, Some(&Made::with("4.17.8"))).err().unwrap();
    assert_eq!(refused.kind, Kind::Missing);
    let said = "no longer has the locked packages (xen-utils-4.17 4.17.7 -> 4.17.8), and --locked allows no others";
    assert!(refused.message.contains(said), "{refused}");
    assert_eq!(files(&other.path().join("packages")).unwrap().len(), 0, "nothing is downloaded that is not used");

    let set = fetch(other.path(), &locked, false, Some(&Made::with("4.17.8"))).unwrap();
    assert_eq!(set.replaced, ["xen-utils-4.17 4.17.7 -> 4.17.8"]);
    assert_eq!(notice(&set.replaced), "using xen-utils-4.17 4.17.8 instead of the locked 4.17.7");
    assert!(versions(&set).contains(&"xen-utils-4.17 4.17.8".to_owned()), "{:?}", versions(&set));
}

#[test]
fn what_is_not_what_was_announced_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Made::with("4.17.7");
    archive.now[1].package.sha256 = "0".repeat(64);
    archive.now[4].package.sha256 = "0".repeat(64);
    let error = fetch(dir.path(), &[], false, Some(&archive)).err().unwrap();
    assert!(error.message.contains("downloaded xen-utils-4.17 with another content"), "{error}");
}

#[test]
fn versions_compare_by_number() {
    assert!(number("4.20") > number("4.17"));
    assert!(number("4.9") < number("4.17"));
    assert_eq!(number("common"), None);
}

#[test]
fn replaced_packages_take_one_line() {
    let many: Vec<_> = (0..5).map(|n| format!("p{n} 1 -> 2")).collect();
    assert_eq!(notice(&many[..1]), "using p0 2 instead of the locked 1");
    assert_eq!(notice(&["e 5, not locked".into()]), "using e 5, not locked (differs from the lock file)");
    assert_eq!(
        notice(&many),
        "using 5 packages other than the locked ones: p0 1 -> 2, p1 1 -> 2, p2 1 -> 2 and 2 more"
    );
}

#[test]
fn a_stored_package_counts_only_with_its_content() {
    let store = tempfile::tempdir().unwrap();
    let file = store.path().join("data");
    fs::write(&file, "content").unwrap();
    let package = Package { name: "a".into(), version: "1:2".into(), sha256: sha256(&file).unwrap(), size: 7 };
    assert!(!stored(store.path(), &package));
    fs::rename(&file, store_file(store.path(), &package)).unwrap();
    assert!(stored(store.path(), &package));
    fs::write(store_file(store.path(), &package), "CONTENT").unwrap();
    assert!(!stored(store.path(), &package));
}
