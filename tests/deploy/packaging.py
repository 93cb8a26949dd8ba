"""What deploy/package makes, and what it refuses to make."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MCP_WORKSPACE_BINARY", ROOT / "target/release/mcp-workspace")).absolute()
ACCOUNT = "210000000012"
failed = 0


def load():
    """deploy/package as a module of its own."""
    loader = importlib.machinery.SourceFileLoader("package", str(ROOT / "deploy/package"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("package", loader))
    loader.exec_module(module)
    return module


def check(what, good, detail=""):
    global failed
    failed += not good
    print(f"{'PASS' if good else 'FAIL'} {what}")
    if not good:
        print(f"     {detail}")


def refused(call, *arguments):
    """Why a call of deploy/package was refused; nothing when it was not."""
    try:
        call(*arguments)
    except sys.modules["package"].Refused as error:
        return str(error)
    return ""


def patched(folder, name, old, new):
    """The binary with some of its bytes replaced by as many others."""
    content = BINARY.read_bytes()
    assert len(old) == len(new) and old in content, f"{old} is not in {BINARY}"
    file = folder / name
    file.write_bytes(content.replace(old, new))
    return file


def binaries(package, folder):
    check("the release binary loads on Amazon Linux 2023", not refused(package.check, BINARY), refused(package.check, BINARY))
    # The newest version that the binary needs, made one that no Amazon Linux has.
    newest = max(re.findall(rb"GLIBC_2\.\d\d\0", BINARY.read_bytes()))
    why = refused(package.check, patched(folder, "newer", newest, b"GLIBC_2.99\0"))
    check("a binary for a newer glibc is refused, with its symbols", "needs glibc 2.99" in why and "@GLIBC_2.99" in why, why)
    why = refused(package.check, patched(folder, "private", newest, b"GLIBC_ABI\0\0"))
    check("a binary for a glibc version without a number is refused", "needs glibc ABI" in why, why)
    why = refused(package.check, patched(folder, "library", b"libm.so.6\0", b"libz.so.1\0"))
    check("a binary that needs another library is refused", "libz.so.1" in why, why)
    other = {"x86_64": "arm64"}.get(platform.machine(), "x86_64")
    check("a binary for another architecture is refused", f"is not for {other}" in refused(package.check, BINARY, other))
    text = folder / "text"
    text.write_text("no binary")
    check("a file that is no binary is refused", bool(refused(package.check, text)))


def zips(package, folder):
    package.BUILD = folder
    with contextlib.redirect_stdout(io.StringIO()):
        first = package.package("x86_64", BINARY, "2.34", "version = 1\n").read_bytes()
        second = package.package("x86_64", BINARY, "2.34", "version = 1\n").read_bytes()
    check("the same binary and policy give the same zip", first == second)
    keys = folder / "jwks.json"
    keys.write_text("{}")
    with contextlib.redirect_stdout(io.StringIO()):
        more = package.package("x86_64", BINARY, "2.34", "version = 1\n", [keys])
    with zipfile.ZipFile(more) as archive:
        check("another file can be packed", archive.namelist() == ["bootstrap", "policy.toml", "jwks.json"], archive.namelist())
    with contextlib.redirect_stdout(io.StringIO()):
        named = package.package("x86_64", BINARY, "2.34", "version = 1\n", name="bedrock-agent")
    check("each program of the review has a zip of its own", named.name == "bedrock-agent-x86_64.zip", named)
    why = refused(package.package, "x86_64", BINARY, "2.34", "version = 1\n", [ROOT / "deploy/policy.toml"])
    check("another file cannot replace the policy", "would replace policy.toml" in why, why)


def told(package, *words):
    """What deploy/package says and how it ends, given these words."""
    said = io.StringIO()
    sys.argv = ["deploy/package", *words]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            package.main()
        except (package.Refused, SystemExit) as error:
            return said.getvalue(), error
    return said.getvalue(), None


def words(package, folder):
    package.BUILD = folder
    said, error = told(package, "sparc")
    check("an unknown architecture is refused", isinstance(error, SystemExit) and "no architecture sparc" in said, said)
    said, error = told(package, "--account", "12")
    check("an account that is none is refused", isinstance(error, SystemExit) and "12 is no account" in said, said)
    said, error = told(package, "--add", "no-such-file.json")
    check("a file that is not there is refused", isinstance(error, SystemExit) and "no such file: no-such-file.json" in said, said)
    package.has_standard_library = lambda triple: False
    said, error = told(package, "arm64")
    check("a missing standard library is an error", "rustup target add aarch64-unknown-linux-gnu" in str(error), said)
    said, error = told(package, "arm64", "--skip-missing")
    check("a skipped architecture is said, and no package is an error",
          said.startswith("SKIPPED arm64") and "nothing was packaged" in str(error), said)


def policies(package):
    class Options:
        policy, account = ROOT / "deploy/policy.toml", None

    def policy(account):
        Options.account = account
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            return package.checked_policy(Options, BINARY), said.getvalue()

    # Programs that deploy/package starts write to the real standard output; their status counts.
    text, said = policy(None)
    check("deploy/policy.toml checks and keeps what it expects", "[[expect]]" in text)
    check("the example account is warned of", "WARNING" in said and package.EXAMPLE_ACCOUNT in said, said)
    Options.policy = ROOT / "examples/code_review/policy.toml"
    text, said = policy(None)
    check("the policy of the review's agents checks, and names no account", "bedrock-worker:remediation" in text and "WARNING" not in said, said)
    Options.policy = ROOT / "deploy/policy.toml"
    text, said = policy(ACCOUNT)
    check("the packaged policy has the given account", ACCOUNT in text and package.EXAMPLE_ACCOUNT not in text and "WARNING" not in said, said)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write((ROOT / "deploy/policy.toml").read_text().replace('tools   = ["list_dir", "read_file", "grep", "list_findings", "list_proposals"]', 'tools   = ["list_dir"]'))
        file.flush()
        Options.policy = file.name
        check("a policy that does not keep what it expects is refused", bool(refused(policy, None)))


AWS = """#!/usr/bin/env python3
import json, pathlib, sys
words = sys.argv[1:]
here = pathlib.Path(__file__).parent
with (here / "said").open("a") as said:
    said.write(json.dumps(words) + "\\n")
if words[:2] == ["s3api", "list-objects-v2"]:
    prefix = words[words.index("--prefix") + 1]
    keys = [prefix + name for name in ("00aa.json", ".00aa.new", "../evil.json", "11bb.json")]
    print(json.dumps(keys if "/monday/" in prefix else None))
elif words[:2] == ["s3", "cp"]:
    print(json.dumps({"callback_id": "id-of-" + words[3].rsplit("/", 1)[1], "execution": "e", "round": 1}))
elif words[-1] == "id-of-00aa.json":
    sys.exit("An error occurred: the callback has ended")
"""


def wakes(package, folder):
    """What people run when they have decided, with an `aws` that writes down what it is asked."""
    aws = folder / "aws"
    aws.write_text(AWS)
    aws.chmod(0o755)

    def released(*words):
        environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run([ROOT / "examples/code_review/released", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environment)

    done = released("monday", "s3://bucket/workspace/agents/")
    said = (folder / "said").read_text()
    check("a review is woken by each callback of its run, and one that has ended is no fault",
          done.returncode == 0 and "id-of-11bb.json" in said and "not woken: workspace/agents/output/runs/monday/.callbacks/00aa.json" in done.stdout, done.stdout + done.stderr)
    check("what is no callback is not read", "evil" not in said and ".00aa.new" not in said, said)
    done = released("tuesday", "s3://bucket/workspace/agents/")
    check("a run that is not waiting is told of", done.returncode == 1 and "it is not waiting" in done.stderr, done.stderr)
    check("a run's name is no path", released("../monday", "s3://bucket/").returncode == 1)


def built(package, folder):
    """What `deploy/package` has left, which deploy/template.yaml names."""
    zipped = ROOT / "deploy/build/function.zip"
    if not zipped.exists():
        check("deploy/build/function.zip is there", False, "run deploy/package first")
        return
    with zipfile.ZipFile(zipped) as archive:
        entries = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        check("the zip holds bootstrap, which may run, and the policy, and nothing else",
              entries == {"bootstrap": 0o100755, "policy.toml": 0o100644}, entries)
        archive.extractall(folder)
    bootstrap = folder / "bootstrap"
    bootstrap.chmod(0o755)
    architecture = next(one for one in package.MACHINES if not refused(package.check, bootstrap, one))
    check(f"the zip's bootstrap loads on Amazon Linux 2023, {architecture}", not refused(package.check, bootstrap, architecture))
    if {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine()) == architecture:
        done = subprocess.run([bootstrap, "policy", "test", folder / "policy.toml"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        check("the zip's bootstrap runs and its policy holds", done.returncode == 0, done.stdout + done.stderr)
    check("the zip is small enough to upload as it is", zipped.stat().st_size < 50_000_000)


def main():
    if not BINARY.is_file():
        sys.exit(f"no binary at {BINARY}: run `cargo build --release`, or set MCP_WORKSPACE_BINARY")
    for part in (binaries, zips, words, wakes, built):
        package = sys.modules["package"] = load()
        with tempfile.TemporaryDirectory(prefix="mcp-workspace-package-") as folder:
            part(package, pathlib.Path(folder))
    policies(load_again())
    return 1 if failed else 0


def load_again():
    sys.modules["package"] = load()
    return sys.modules["package"]


if __name__ == "__main__":
    sys.exit(main())
