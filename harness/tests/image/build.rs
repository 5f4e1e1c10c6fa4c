//! Building a guest with cargo, in a small workspace of its own.

use crate::support::{BODY, HEAD, SCRIPT};
use harness::error::{Error, Kind};
use harness::guest::{Failure, Request, build, make};
use harness::ui::Ui;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A workspace with one stage, whose binary is the good guest.
fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let stage = dir.path().join("stages/stage1-console");
    fs::create_dir_all(stage.join("src")).unwrap();
    let manifest = "[workspace]\nmembers = ['stages/stage1-console']\nresolver = '3'\n\
        [profile.guest]\ninherits = 'release'\npanic = 'abort'\nlto = 'off'\ndebug = 'full'\n";
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let package = "[package]\nname = 'stage1-console'\nversion = '0.1.0'\nedition = '2024'\n\
        [features]\nlouder = []\n[lints.rust]\nunexpected_cfgs = 'allow'\n";
    fs::write(stage.join("Cargo.toml"), package).unwrap();
    fs::write(stage.join("link.ld"), SCRIPT).unwrap();
    // The repository's toolchain, whatever this machine's default is.
    fs::copy("../rust-toolchain.toml", dir.path().join("rust-toolchain.toml")).unwrap();
    source(dir.path(), BODY);
    dir
}

fn source(root: &Path, body: &str) {
    // The host's half, so that a build without `--cfg guest` shows.
    let text = format!("{HEAD}#[cfg(not(guest))] compile_error!(\"not built as a guest\");\n{body}");
    fs::write(root.join("stages/stage1-console/src/main.rs"), text).unwrap();
}

#[test]
fn a_guest_is_built_once_and_again_after_a_change() {
    let dir = workspace();
    let request = Request::new(dir.path(), "stage1-console");
    let first = make(&request, &Ui::silent()).unwrap();
    assert!(!first.fresh && first.elf.is_file());
    let image = fs::read(&first.image).unwrap();
    assert_eq!(first.sizes.total(), image.len());

    let again = make(&request, &Ui::silent()).unwrap();
    assert!(again.fresh);
    assert_eq!(fs::read(&again.image).unwrap(), image);

    // Another variant leaves the first one's files alone.
    let body = format!("{BODY}#[cfg(feature = \"louder\")] #[unsafe(no_mangle)] extern \"C\" fn louder() {{}}");
    source(dir.path(), &body);
    let louder = make(&request.clone().features(["louder"]), &Ui::silent()).unwrap();
    assert_ne!(louder.elf, first.elf);
    assert_eq!(fs::read(&first.image).unwrap(), image);

    // Cargo doesn't know the linker script; the build does.
    let script = dir.path().join("stages/stage1-console/link.ld");
    fs::write(&script, SCRIPT.replace("_end = .;", "_end = .; another_mark = .;")).unwrap();
    let relinked = build(&request.features(["louder"]), &Ui::silent()).unwrap();
    assert!(!relinked.fresh);
    assert_eq!(relinked.crates, ["stage1_console"]);
    let bytes = fs::read(&relinked.elf).unwrap();
    assert!(bytes.windows(12).any(|window| window == b"another_mark"));
}

#[test]
fn a_guest_that_does_not_compile_is_told_in_rustcs_words() {
    let dir = workspace();
    source(dir.path(), &format!("{BODY}fn wrong() -> u32 {{\n    \"text\"\n}}\n"));
    let failure = build(&Request::new(dir.path(), "stage1-console"), &Ui::silent()).unwrap_err();
    let Failure::Compile(diagnostics) = &failure else { panic!("{failure:?}") };
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.error).collect();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(error.file.as_deref(), Some(Path::new("stages/stage1-console/src/main.rs")));
    let source = fs::read_to_string(dir.path().join("stages/stage1-console/src/main.rs")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("\"text\"")).unwrap();
    assert_eq!(error.line, Some(line as u32));
    assert_eq!(error.message, "mismatched types");
    let error = Error::from(failure);
    assert_eq!(error.kind, Kind::Build);
    assert!(error.message.starts_with("error[E0308]: mismatched types\n"), "{error}");
}

#[test]
fn a_guest_that_does_not_link_is_told_in_the_linkers_words() {
    let dir = workspace();
    let body = format!("{BODY}unsafe extern \"C\" {{ fn nowhere(); }}\n");
    source(dir.path(), &body.replace("outer(core", "unsafe { nowhere() }; outer(core"));
    let error = Error::from(build(&Request::new(dir.path(), "stage1-console"), &Ui::silent()).unwrap_err());
    assert_eq!(error.kind, Kind::Build);
    assert!(error.message.contains("undefined symbol: nowhere"), "{error}");
}

#[test]
fn what_cargo_refuses_is_told_in_its_words() {
    let dir = workspace();
    let request = Request::new(dir.path(), "stage1-console").features(["none-such"]);
    let error = Error::from(build(&request, &Ui::silent()).unwrap_err());
    assert_eq!(error.kind, Kind::Build);
    assert!(error.message.contains("none-such"), "{error}");
    let error = Error::from(build(&Request::new(dir.path(), "stage9-none"), &Ui::silent()).unwrap_err());
    assert!(error.message.contains("stage9-none"), "{error}");
    fs::remove_file(dir.path().join("stages/stage1-console/link.ld")).unwrap();
    let error = Error::from(build(&Request::new(dir.path(), "stage1-console"), &Ui::silent()).unwrap_err());
    assert_eq!(error.kind, Kind::Missing);
    assert!(error.message.contains("link.ld"), "{error}");
}

#[test]
fn a_compiler_that_never_ends_is_ended() {
    let dir = workspace();
    source(dir.path(), &format!("{BODY}pub const FOREVER: () = loop {{}};"));
    let mut request = Request::new(dir.path(), "stage1-console");
    request.deadline = Duration::from_secs(2);
    let began = Instant::now();
    let error = Error::from(build(&request, &Ui::silent()).unwrap_err());
    assert!(error.message.contains("did not finish compiling within 2 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
    let name = dir.path().as_os_str().as_encoded_bytes();
    let mentions = |process: &fs::DirEntry| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.windows(name.len()).any(|part| part == name)
    };
    // A killed process is gone a little later.
    let until = Instant::now() + Duration::from_secs(5);
    while fs::read_dir("/proc").unwrap().flatten().any(|process| mentions(&process)) {
        assert!(Instant::now() < until, "rustc still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_application_outside_of_the_repository_is_built_the_same_way() {
    let dir = workspace();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("src")).unwrap();
    let package = "[package]\nname = 'service'\nversion = '0.1.0'\nedition = '2024'\n";
    fs::write(elsewhere.path().join("Cargo.toml"), package).unwrap();
    fs::write(elsewhere.path().join("src/main.rs"), format!("{HEAD}{BODY}")).unwrap();
    let mut request = Request::new(dir.path(), "service");
    request.manifest = Some(elsewhere.path().join("Cargo.toml"));
    let guest = make(&request, &Ui::silent()).unwrap();
    assert!(guest.image.starts_with(dir.path().join("target/guest")));
}
