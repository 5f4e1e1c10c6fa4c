//! Cargo, as the checkout wants it, whoever calls the harness and from where.
//!
//! Invariant: what is built depends on the sources and the toolchain that the checkout pins, and on nothing in the
//! caller's environment.

use std::path::Path;
use std::process::Command;

/// Cargo in the checkout at `root`, so that the toolchain file there decides, for an application elsewhere too.
///
/// It is the `cargo` of the path, which rustup stands behind, and not the one of `$CARGO`: that one would call
/// whatever `rustc` is the default in each folder that it compiles in.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root);
    std::env::vars_os().filter(|(name, _)| misleads(&name.to_string_lossy())).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    cargo
}

/// Whether an environment variable would change what is built: everything of cargo's and rustc's except how
/// to reach a registry and where things are installed.
fn misleads(name: &str) -> bool {
    let kept = ["CARGO_HOME", "RUSTUP_HOME"].contains(&name)
        || ["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRY_", "CARGO_REGISTRIES_"].iter().any(|p| name.starts_with(p));
    let theirs = name.starts_with("CARGO")
        || name.starts_with("RUSTC")
        || name.starts_with("RUSTDOC")
        || ["RUSTFLAGS", "RUSTUP_TOOLCHAIN", "RUST_TARGET_PATH"].contains(&name);
    theirs && !kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_environment_does_not_reach_the_build() {
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WRAPPER"]
        {
            assert!(misleads(name), "{name}");
        }
        for name in ["CARGO_PROFILE_GUEST_LTO", "CARGO_INCREMENTAL", "RUSTUP_TOOLCHAIN", "CARGO_PKG_NAME"] {
            assert!(misleads(name), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_HOME", "RUST_BACKTRACE"] {
            assert!(!misleads(name), "{name}");
        }
    }

    #[test]
    fn the_toolchain_is_the_checkouts_and_not_the_callers() {
        let cargo = cargo(Path::new("/checkout"));
        assert_eq!((cargo.get_program(), cargo.get_current_dir()), ("cargo".as_ref(), Some(Path::new("/checkout"))));
    }
}
