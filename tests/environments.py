#!/usr/bin/env python3
"""Sets up what the suites of other languages need: Python environments, and npm packages.

    tests/environments.py [FOLDER REQUIREMENTS]

Makes an environment at FOLDER with exactly what is pinned in the file REQUIREMENTS; nothing more
than uv where none is named. uv installs, in seconds where pip takes minutes; it is itself taken
from PyPI, by its hash, into the target directory. What is there already is kept until the pins
change. What Python compiles goes into the target directory as well, once for all processes.
"""

import hashlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")).absolute()
SECONDS = 600
# The same setting in the words of pip, which machines are configured with, and of uv.
OF_PIP = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX", "PIP_CERT": "SSL_CERT_FILE"}

sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(TARGET / "pycache"))


def prepare(command, **options):
    """Runs one step of the setup; shows what it printed only when it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, **options
    )
    if done.returncode != 0:
        sys.exit(f"setup failed: {' '.join(map(str, command))}\n{done.stdout}")


def is_kept(stamp, pins):
    return stamp.exists() and stamp.read_bytes() == pins


def uv():
    """The program that installs."""
    pins = HERE / "environments.txt"
    folder = TARGET / "uv"
    stamp = folder / "installed.txt"
    if not is_kept(stamp, pins.read_bytes()):
        prepare([sys.executable, "-m", "venv", "--clear", folder])
        prepare([folder / "bin/pip", "install", "--quiet", "--only-binary", ":all:", "--require-hashes", "--requirement", pins])
        stamp.write_bytes(pins.read_bytes())
    return folder / "bin/uv"


def python(folder, *requirements, constraint=None):
    """A virtual environment with exactly the pinned packages."""
    files = [*requirements, *([constraint] if constraint else [])]
    pins = b"".join(file.read_bytes() for file in files)
    stamp = folder / "installed.txt"
    if is_kept(stamp, pins):
        return
    settings = os.environ | {uvs: os.environ[pips] for pips, uvs in OF_PIP.items() if pips in os.environ}
    prepare([uv(), "venv", "--quiet", "--clear", "--python", sys.executable, folder], env=settings)
    install = [uv(), "pip", "install", "--quiet", "--python", folder / "bin/python"]
    for file in requirements:
        install += ["--requirement", file]
    if constraint:
        install += ["--constraint", constraint]
    if b"--hash" in pins:
        install += ["--require-hashes", "--only-binary", ":all:"]
    prepare(install, env=settings)
    stamp.write_bytes(pins)


def npm(folder):
    """The npm packages of a lock file. No install script runs. Says whether they are new."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest().encode()
    stamp = folder / "node_modules/.lock-sha256"
    if is_kept(stamp, lock):
        return False
    prepare(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    stamp.write_bytes(lock)
    return True


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    uv()
    if len(sys.argv) == 3:
        python(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
