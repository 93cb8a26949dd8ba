"""Compares `grep` with ripgrep, match for match: `agreement.py WORKSPACE URL`; `INTEROP_RG` names ripgrep.

For each search: the same matches with path, line number and line, put together from all pages and
in the order of paths; the same counts; the same number of files searched. Lines are compared
without their line end; bytes that are no UTF-8 as U+FFFD, as both sides show them. Of a long line
`grep` shows a part and says which: that part must stand where it says. A search that ripgrep
refuses must be refused here too.
"""

import asyncio
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from mcp import Client
from patterns import searches

MAX_PAGES = 2000
FLAGS = {"ignore_case": ["--ignore-case"], "literal": ["--fixed-strings"], "multiline": ["--multiline"]}


def decoded(value):
    """The text of a field of ripgrep's JSON."""
    return value["text"] if "text" in value else base64.b64decode(value["bytes"]).decode("utf-8", "replace")


def line_of(text):
    """A line without its line end."""
    return text.removesuffix("\n").removesuffix("\r")


CUT = re.compile(r"(?s)(?:…\[from byte (\d+)\] )?(.*?)…? \[(\d+) of the line's (\d+) bytes cut\]")


def is_part_of(shown, line):
    """Whether a cut line is what it says it is."""
    parts = CUT.fullmatch(shown)
    if not parts:
        return False
    start, kept, left_out, total = int(parts[1] or 1), parts[2].encode(), int(parts[3]), int(parts[4])
    whole = line.encode()
    return total == len(whole) and left_out == total - len(kept) and whole[start - 1 :].startswith(kept) and len(parts[2]) >= 100


def ripgrep(workspace, pattern, options):
    """What ripgrep finds, or None when it refuses: (matches, matches by path, files searched, lines).

    The lines are those that it shows, matches and context, by path and line number.
    """
    command = [os.environ["INTEROP_RG"], "--no-config", "--no-ignore", "--hidden", "--json", "--sort", "path"]
    for name, flags in FLAGS.items():
        command += flags if options.get(name) else []
    for name, flag in (("context", "--context"), ("before", "--before-context"), ("after", "--after-context")):
        command += [flag, str(options[name])] if name in options else []
    command += ["--glob", options["glob"]] if "glob" in options else []
    command += ["--type", options["type"]] if "type" in options else []
    command += ["-e", pattern, "--", options.get("path", ".")]
    done = subprocess.run(command, cwd=workspace, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if done.returncode == 2:
        return None
    matches, counts, searched, lines = [], {}, 0, {}
    for event in map(json.loads, done.stdout.splitlines()):
        data = event["data"]
        if event["type"] in ("match", "context"):
            path = pathlib.PurePosixPath(decoded(data["path"])).as_posix()
            lines[path, data["line_number"]] = text = line_of(decoded(data["lines"]))
        if event["type"] == "match":
            matches.append((path, data["line_number"], text))
            counts[path] = counts.get(path, 0) + 1
        elif event["type"] == "summary":
            searched = data["stats"]["searches"]
    return sorted(matches), counts, searched, lines


def wrong_context(found, lines, options):
    """The first match whose lines before and after it are not those that ripgrep shows there."""
    before = options.get("before", options.get("context", 0))
    after = options.get("after", options.get("context", 0))
    for match in found:
        for field, numbers in (
            ("before", range(match["line"] - before, match["line"])),
            ("after", range(match["line"] + 1, match["line"] + after + 1)),
        ):
            expected = [lines[match["path"], n] for n in numbers if (match["path"], n) in lines]
            shown = match.get(field, [])
            alike = len(shown) == len(expected) and all(a == b or is_part_of(a, b) for a, b in zip(shown, expected))
            if not alike:
                return f"{match['path']}:{match['line']}: {field} is {shown}, ripgrep's {expected}"
    return None


async def pages(client, arguments, key):
    """All entries of all pages and the last page, or the text of the error."""
    entries, cursor = [], None
    for _ in range(MAX_PAGES):
        result = await client.call_tool("grep", arguments | ({"cursor": cursor} if cursor else {}))
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            return text, None
        data = result.structured_content or json.loads(text)
        entries += data[key]
        cursor = data.get("next_cursor")
        if not cursor:
            return entries, data
    raise AssertionError(f"{MAX_PAGES} pages and still a cursor")


def difference(ours, theirs):
    """The first few entries that only one side has."""
    ours_set, theirs_set = set(ours), set(theirs)
    only_ours = [entry for entry in ours if entry not in theirs_set][:3]
    only_theirs = [entry for entry in theirs if entry not in ours_set][:3]
    if not only_ours and not only_theirs:
        return f"the same {len(theirs)} entries, in another order or number ({len(ours)})"
    return f"only grep: {only_ours}; only ripgrep: {only_theirs} ({len(ours)} against {len(theirs)})"


async def compare(client, workspace, pattern, options):
    """The first difference of a search, or None; and the matches."""
    expected = ripgrep(workspace, pattern, options)
    arguments = {"pattern": pattern, "format": "json", "limit": 1000} | options
    found, _ = await pages(client, arguments, "matches")
    if expected is None or isinstance(found, str):
        if expected is None and isinstance(found, str):
            return None, []
        return f"refused by one side only: {found if isinstance(found, str) else 'ripgrep refuses it'}", []
    matches, counts, searched, lines = expected
    ours = [(match["path"], match["line"], match["text"]) for match in found]
    if [match[:2] for match in ours] != sorted(match[:2] for match in ours):
        return "not in the order of paths and lines", []
    if len(ours) == len(matches):
        # What is cut as it should be stands for the whole line.
        ours = [theirs if mine[:2] == theirs[:2] and is_part_of(mine[2], theirs[2]) else mine for mine, theirs in zip(ours, matches)]
    if ours != matches:
        return difference(ours, matches), []
    if lines and {"context", "before", "after"} & options.keys():
        problem = wrong_context(found, lines, options)
        if problem:
            return problem, []
    counted, page = await pages(client, arguments | {"mode": "count"}, "files")
    if isinstance(counted, str) or {file["path"]: file["count"] for file in counted} != counts:
        return f"mode count: {difference([(f['path'], f['count']) for f in counted], list(counts.items()))}", []
    if page["files_searched"] + page["files_skipped"]["binary"] != searched:
        return f"searched {page['files_searched']} files, ripgrep {searched}", []
    files, _ = await pages(client, arguments | {"mode": "files"}, "files")
    if isinstance(files, str) or [file["path"] for file in files] != [file["path"] for file in counted]:
        return f"mode files: {files}", []
    return None, found


async def main(workspace, url):
    every, total, cut, failed, started = searches(), 0, 0, 0, time.monotonic()
    async with Client(url, read_timeout_seconds=60) as client:
        for pattern, options in every:
            name = f"ripgrep agrees on {pattern!r} {json.dumps(options) if options else ''}".rstrip()
            try:
                problem, found = await compare(client, workspace, pattern, options)
            except Exception as error:  # one search that fails must not hide the others
                problem, found = f"{type(error).__name__}: {error}", []
            total += len(found)
            cut += sum(CUT.fullmatch(match["text"]) is not None for match in found)
            failed += problem is not None
            print(f"FAIL {name}: {problem}"[:1500] if problem else f"PASS {name}: {len(found)} matches", flush=True)
    print(f"{len(every)} searches, {total} matches, {cut} of them cut, compared in {time.monotonic() - started:.1f} s")
    return 1 if failed or len(every) < 200 or total < 10_000 or cut > total / 100 else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
