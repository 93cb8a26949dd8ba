"""Where the examples run: their places, a clean environment, and a report of checks."""

import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples"


def script(name, path):
    """A Python program without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


interop = script("interop", ROOT / "tests/interop/run")
BINARY = interop.BINARY
PYTHON = HERE / ".venv/bin/python"
SECONDS = 120
TOOLS = ["grep", "list_dir", "list_findings", "list_proposals", "propose_patch", "read_file", "read_state", "write_file", "write_finding", "write_state"]


class Report(interop.Report):
    """Checks are functions; what they raise is why they failed."""

    @contextlib.contextmanager
    def check(self, what):
        try:
            yield
        except Exception as error:  # noqa: BLE001: every fault is a failed check, none ends the run
            self.fails(f"{what}: {type(error).__name__}: {error}")
        else:
            self.passes(what)


def run(command, seconds=SECONDS, **options):
    """A command in an environment that holds nothing of this machine's settings."""
    settings = {"PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"]} | options.pop("settings", {})
    return subprocess.run(
        [str(part) for part in command], stdin=options.pop("stdin", subprocess.DEVNULL), capture_output=True, text=True,
        timeout=seconds, env=settings, **options
    )


def succeeded(done):
    assert done.returncode == 0, f"status {done.returncode}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
    return done.stdout
