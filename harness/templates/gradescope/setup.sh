#!/usr/bin/env bash
# Gradescope runs this once, as root, while it makes the image in which submissions are checked. The zip that you
# upload holds this file, run_autograder, `course` (your checkout, with the solutions) and `test-host`, which
# `cargo harness host export test-host` wrote.
set -euo pipefail
base=${AUTOGRADER:-/autograder}
export STARDUST_CACHE=$base/cache DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y --no-install-recommends ca-certificates curl gcc libc6-dev qemu-system-x86
if ! command -v cargo >/dev/null; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
fi

cd "$base/source/course"
cargo harness host import "$base/source/test-host"
# Compiles the harness, saves the state of the booted test host, and shows that all of it works.
cargo harness check stage1 --solution
