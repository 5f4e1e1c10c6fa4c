"""Marks a stage for Classroom 50: CLASSROOM/autograders/ASSIGNMENT/autograder.py in your classroom50 repository.

Its runner calls this in the student's checkout and takes the score from result.json. Only the exercise files are taken from
there; they are compiled among the given files of COURSE, which is the handout of your class, and needs no solutions. HOST is
what `cargo harness host export` wrote on a Debian, as an asset of one of that repository's releases, say.

The assignment's `runtime` is {"runs-on": "ubuntu-24.04", "rust": "1.95.0", "apt": ["qemu-system-x86"]}.
"""

import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path

STAGE = os.environ.get("STAGE", "stage1")
COURSE = os.environ.get("COURSE", "https://github.com/OWNER/COURSE.git")
TAG = "starter"
HOST = os.environ.get("HOST", "https://github.com/OWNER/COURSE/releases/download/starter/test-host")

submission = Path.cwd()
place = Path(tempfile.mkdtemp())
course, host = Path(COURSE), Path(HOST)
if not course.is_dir():
    course = place / "course"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--branch", TAG, COURSE, course], check=True)
if not host.is_file():
    host = place / "test-host"
    subprocess.run(["curl", "-fsSL", "--retry", "3", "-o", host, HOST], check=True)

# When it was handed in, which no second look changes: the time of the commit.
committed = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout
moment = datetime.datetime.fromtimestamp(int(committed), datetime.timezone.utc)
os.environ["SUBMISSION_DATETIME"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def harness(*arguments):
    return subprocess.run(["cargo", "harness", *arguments], cwd=course).returncode


if harness("host", "import", host) != 0:
    sys.exit(1)
result = submission / "result.json"
status = harness("check", STAGE, "--from", submission, "--timeout-scale", "3", "--format", "classroom50", "--out", result)
# 0 to 4 are about the work, and stand in the file. Anything else is no score: the runner reports an error.
sys.exit(0 if status <= 4 and result.is_file() else 1)
