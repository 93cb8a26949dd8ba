"""Runs the official conformance suite for one revision: `check.py REVISION URL`; `INTEROP_NODE` names Node.

Prints PASS for a scenario whose checks all pass, KNOWN for one that fails only where
`expected-failures-REVISION.yaml` says so, UNSCORED for one that the suite does not count for the
revision (extensions, pending ones, all skipped), FAIL for anything else.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SUITE = HERE.parent / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
# Scenarios that need nothing of a test server, so they must pass whole; no run of the suite may leave one out.
MUST_PASS = {"tools-list", "resources-list", "prompts-list", "completion-complete", "dns-rebinding-protection"}
MUST_PASS_OF = {
    "2026-07-28": MUST_PASS | {"sep-2164-resource-not-found", "caching", "http-header-validation"},
    "2025-11-25": MUST_PASS | {"server-initialize", "ping"},
}


def section(output, title):
    """The names listed under a title of the suite's closing words."""
    found = re.search(rf"(?m)^[^\n]*{title}[^\n]*\n((?:  \S[^\n]*\n)+)", output)
    return [line.split()[1] for line in found.group(1).splitlines()] if found else []


def main(revision, url):
    with tempfile.TemporaryDirectory() as results:
        command = [
            os.environ["INTEROP_NODE"], str(SUITE), "server", "--url", url, "--requirements", revision,
            "--expected-failures", str(HERE / f"expected-failures-{revision}.yaml"), "-o", results,
        ]  # fmt: skip
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    output = re.sub(r"\x1b\[\d+m", "", done.stdout)
    summary = re.findall(r"(?m)^([✓✗]) (\S+): (\d+) passed, (\d+) failed", output)
    known = {name.split(":")[0] for name in section(output, "Expected failures")}
    unexpected, stale = section(output, "Unexpected failures"), section(output, "Stale")
    passed = set()
    for mark, scenario, good, bad in summary:
        if scenario in unexpected:
            continue
        if scenario in known:
            print(f"KNOWN conformance {revision}: {scenario}: {good} checks pass, others fail as expected")
        elif mark == "✓" and good != "0":
            passed.add(scenario)
            print(f"PASS conformance {revision}: {scenario}: {good} checks")
        else:  # it has no check that counts, or the suite does not count it for this revision
            print(f"UNSCORED conformance {revision}: {scenario}: {good} checks pass, {bad} fail")
    for scenario in unexpected:
        print(f"FAIL conformance {revision}: {scenario}: fails, and is not expected to")
    for scenario in stale:
        print(f"FAIL conformance {revision}: {scenario}: passes, so take it out of the expected failures")
    missing = MUST_PASS_OF[revision] - passed
    if missing or (done.returncode != 0) != bool(unexpected or stale):
        print(f"FAIL conformance {revision}: status {done.returncode}, without {sorted(missing)}\n{output[-4000:]}{done.stderr[-2000:]}")
        return 1
    if unexpected or stale:
        print(output, done.stderr, file=sys.stderr)
    return 1 if unexpected or stale else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
