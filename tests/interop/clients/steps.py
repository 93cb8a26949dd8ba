"""What every client does with the server, and what the answers must say.

A client gives an adapter with `name`, `expected_version`, `list_tools()` and `call(tool, arguments)`,
and with `list_resources()` and its like where it can do more than call tools;
`run` walks through the steps, prints one line a step, and tells how many passed and failed. The
expectations are worked out here from the workspace itself, never from an answer.
"""

import base64
import collections
import csv
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass, field

TOOLS = ["grep", "list_dir", "list_findings", "list_proposals", "propose_patch", "read_file", "read_state", "write_file", "write_finding", "write_state"]
HIDDEN = {".env", "config/deploy.pem"}
RECORDS = ".mcp-workspace"
MAX_PAGES = 500


@dataclass
class Tool:
    """A tool as the server lists it."""

    name: str
    description: str
    input_schema: dict
    output_schema: dict | None
    annotations: dict


@dataclass
class Answer:
    """The result of a call, the same for all clients."""

    text: str
    structured: object
    is_error: bool
    images: list = field(default_factory=list)

    def data(self):
        """The JSON of the answer, where the tool answers in JSON."""
        if self.is_error:
            raise AssertionError(f"expected an answer, got an error: {self.text}")
        return self.structured if self.structured is not None else json.loads(self.text)


def authorization():
    """The headers by which the server over HTTP knows the caller."""
    bearer = os.environ.get("INTEROP_BEARER")
    return {"Authorization": f"Bearer {bearer}"} if bearer else {}


def from_mcp_result(dump):
    """An `Answer` from a result as it looks on the wire."""
    content = dump.get("content") or []
    return Answer(
        text="\n".join(block["text"] for block in content if block["type"] == "text"),
        structured=dump.get("structuredContent"),
        is_error=bool(dump.get("isError")),
        images=[block for block in content if block["type"] == "image"],
    )


def tool_from_wire(dump):
    """A `Tool` from the list as it looks on the wire."""
    return Tool(
        name=dump["name"],
        description=dump.get("description") or "",
        input_schema=dump["inputSchema"],
        output_schema=dump.get("outputSchema"),
        annotations=dump.get("annotations") or {},
    )


def same(actual, expected, what):
    """Fails with both values when they differ."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def holds(condition, what):
    """Fails with a sentence when a condition does not hold."""
    if not condition:
        raise AssertionError(what)


def contains(text, part, what):
    """Fails when a text does not have a part, and shows the text."""
    if part not in text:
        raise AssertionError(f"{what}: no {part!r} in {text[:2000]!r}")


class Steps:
    """The steps, each one method; the docstring is its name."""

    def __init__(self, client, workspace):
        self.client = client
        self.workspace = pathlib.Path(workspace)
        # Clients share one workspace; a name of their own keeps their records apart.
        self.label = re.sub(r"[^a-z0-9]+", "-", client.name.lower()).strip("-")

    def local(self, path):
        return self.workspace / path

    def visible_paths(self, top=""):
        """What a listing must show: everything but secrets and the server's own records."""
        found = []
        for folder, folders, files in os.walk(self.local(top)):
            if RECORDS in folders:
                folders.remove(RECORDS)
            for name in folders + files:
                path = (pathlib.Path(folder) / name).relative_to(self.workspace).as_posix()
                if path not in HIDDEN:
                    found.append(path)
        return sorted(found)

    def local_matches(self, pattern, paths):
        """(path, line number, line) of each match, worked out without the server."""
        expression = re.compile(pattern)
        found = []
        for path in paths:
            if self.local(path).is_dir() or path.endswith(".png"):
                continue
            raw = self.local(path).read_bytes()
            text = raw.decode("utf-16" if raw.startswith(b"\xff\xfe") else "utf-8")
            for number, line in enumerate(text.split("\n"), 1):
                line = line.rstrip("\r")
                if expression.search(line):
                    found.append((path, number, line))
        return found

    async def pages(self, tool, arguments, key):
        """All pages of a tool's answer, and their entries put together."""
        pages, entries, cursor = [], [], None
        while True:
            page = (await self.client.call(tool, arguments | ({"cursor": cursor} if cursor else {}))).data()
            pages.append(page)
            entries += page[key]
            cursor = page.get("next_cursor")
            if not cursor:
                return pages, entries
            holds(len(pages) < MAX_PAGES, f"{tool} gave {MAX_PAGES} pages and still has a cursor")

    async def negotiates(self):
        """negotiates its protocol version"""
        version = await self.client.version()
        same(version, self.client.expected_version, "protocol version")

    async def lists_tools(self):
        """lists the tools with annotations and schemas"""
        tools = {tool.name: tool for tool in await self.client.list_tools()}
        for name in TOOLS:
            holds(name in tools, f"no tool {name}, only {sorted(tools)}")
            tool = tools[name]
            holds(len(tool.description) > 80, f"{name} is hardly described: {tool.description!r}")
            same(tool.input_schema.get("type"), "object", f"{name}: type of the input schema")
            reads = name in ("grep", "list_dir", "list_findings", "list_proposals", "read_file", "read_state")
            same(tool.annotations.get("readOnlyHint"), reads, f"{name}: readOnlyHint")
            same(tool.annotations.get("openWorldHint"), False, f"{name}: openWorldHint")
            if not reads:
                same(tool.annotations.get("destructiveHint"), False, f"{name}: destructiveHint")
            text_only = name in ("grep", "list_dir", "list_findings", "list_proposals", "read_file")
            same(tool.output_schema is None, text_only, f"{name}: has no output schema")
        same(tools["write_finding"].annotations.get("idempotentHint"), True, "write_finding: idempotentHint")
        same(sorted(tools["grep"].input_schema.get("required", [])), ["pattern"], "grep: required")
        same(sorted(tools["read_file"].input_schema.get("required", [])), ["path"], "read_file: required")

    async def lists_a_directory(self):
        """lists a directory"""
        answer = await self.client.call("list_dir", {"path": "etl"})
        holds(not answer.is_error, answer.text)
        same(answer.structured, None, "structured content beside the text")
        expected = sorted(p.relative_to(self.workspace).as_posix() for p in self.local("etl").iterdir())
        names = [path.removeprefix("etl/") for path in expected]
        same(answer.text.splitlines(), ["etl:", *names, f"[{len(names)} entries]"], "names in etl")
        data = (await self.client.call("list_dir", {"path": "etl", "format": "json"})).data()
        same([entry["path"] for entry in data["entries"]], expected, "entries of etl")
        same({entry["type"] for entry in data["entries"]}, {"file"}, "types in etl")
        same(data["more"], False, "more")

    async def pages_a_deep_listing(self):
        """pages through the whole tree without secrets, repeats or gaps"""
        pages, entries = await self.pages("list_dir", {"depth": 20, "limit": 7, "format": "json"}, "entries")
        paths = [e["path"] for e in entries if not e["path"].startswith(RECORDS)]
        same(sorted(paths), self.visible_paths(), "paths of the tree")
        whole = (await self.client.call("list_dir", {"depth": 20, "limit": 1000, "format": "json"})).data()
        same([e["path"] for e in entries], [e["path"] for e in whole["entries"]], "pages against one listing")
        holds(len(pages) > 4, f"only {len(pages)} pages")
        holds(all(len(page["entries"]) <= 7 for page in pages), "a page is over its limit")

    async def details_of_a_listing(self):
        """gives sizes and times when asked"""
        entries = (await self.client.call("list_dir", {"path": "data", "details": True, "format": "json"})).data()["entries"]
        sizes = {e["path"]: e["size"] for e in entries}
        same(sizes, {f"data/{p.name}": p.stat().st_size for p in self.local("data").iterdir()}, "sizes")
        holds(all(e.get("modified") for e in entries), f"an entry has no time: {entries}")

    async def reads_a_window(self):
        """reads a window of a file as numbered lines"""
        lines = self.local("etl/transform.py").read_text().splitlines()
        answer = await self.client.call("read_file", {"path": "etl/transform.py", "offset": 20, "limit": 5})
        holds(not answer.is_error, answer.text)
        for number in range(20, 25):
            expected = rf"(?m)^\s*{number}\b\W*{re.escape(lines[number - 1].strip())}$"
            holds(re.search(expected, answer.text), f"no line {number} in {answer.text!r}")
        holds(lines[18] == "" or lines[18] not in answer.text, "a line before the window is there")
        contains(answer.text, "25", "the offset to go on with")
        last = answer.text.rstrip().splitlines()[-1]
        holds(re.search(r"[0-9a-f]{12}", last), f"no version in the last line: {last!r}")

    async def reads_json(self):
        """reads a file whole as JSON, byte for byte"""
        path = "service/src/rates.ts"
        data = (await self.client.call("read_file", {"path": path, "format": "json"})).data()
        same(data["content"], self.local(path).read_text(), "content")
        same((data["path"], data["start_line"], data["more"]), (path, 1, False), "path, first line, more")
        same(data["size"], self.local(path).stat().st_size, "size")

    async def reads_the_tail(self):
        """reads the tail of the long log"""
        log = self.local("logs/nightly.log").read_text().splitlines()
        answer = await self.client.call("read_file", {"path": "logs/nightly.log", "offset": -3})
        for line in log[-3:]:
            contains(answer.text, line, "tail")
        holds(log[-4] not in answer.text, "a fourth line from the end is there")
        contains(answer.text, str(len(log)), "number of the last line")

    async def reads_utf16(self):
        """reads UTF-16 as text"""
        data = (await self.client.call("read_file", {"path": "data/legacy_export.txt", "format": "json"})).data()
        contains(data["encoding"].lower(), "utf-16", "encoding")
        expected = self.local("data/legacy_export.txt").read_bytes().decode("utf-16")
        same(data["content"].replace("\r\n", "\n"), expected.replace("\r\n", "\n"), "content")

    async def reads_an_image(self):
        """gets an image as an image"""
        answer = await self.client.call("read_file", {"path": "docs/lanes.png"})
        same(len(answer.images), 1, "image blocks")
        same(answer.images[0]["mimeType"], "image/png", "media type")
        same(base64.b64decode(answer.images[0]["data"]), self.local("docs/lanes.png").read_bytes(), "bytes")
        same(answer.structured, None, "structured content beside an image")

    async def greps_text(self):
        """greps, with text grouped by file"""
        answer = await self.client.call("grep", {"pattern": "SELECT \\* FROM shipments", "glob": "**/*.{py,ts}"})
        holds(not answer.is_error, answer.text)
        found = self.local_matches(r"SELECT \* FROM shipments", self.visible_paths())
        same({path for path, *_ in found}, {"etl/load.py", "service/src/ledger.ts"}, "files in this test")
        for path, number, line in found:
            contains(answer.text, path, "path")
            holds(re.search(rf"(?m)^\s*{number}\b.*{re.escape(line.strip())}", answer.text), f"no {path}:{number} in {answer.text!r}")

    async def greps_by_pages(self):
        """greps by pages until the cursor ends, in path order"""
        pattern = "TODO|FIXME|HACK"
        arguments = {"pattern": pattern, "limit": 2, "format": "json"}
        pages, matches = await self.pages("grep", arguments, "matches")
        found = [(m["path"], m["line"], m["text"].rstrip("\n")) for m in matches if not m["path"].startswith(RECORDS)]
        same(found, self.local_matches(pattern, self.visible_paths()), "matches")
        holds(len(pages) >= 4, f"only {len(pages)} pages")
        holds(all(page["stopped"] == "limit" for page in pages[:-1]), "a page did not stop at its limit")
        same(pages[-1]["stopped"], None, "why the last page stopped")

    async def greps_utf16_and_counts(self):
        """greps inside UTF-16, and counts"""
        data = (await self.client.call("grep", {"pattern": "Ř?eka|Αιγαίο", "path": "data", "format": "json"})).data()
        expected = self.local_matches("Ř?eka|Αιγαίο", ["data/legacy_export.txt"])
        holds(len(expected) > 4, "the sample has too little to find")
        same([(m["path"], m["line"], m["text"].rstrip("\r\n")) for m in data["matches"]], expected, "matches")
        counts = (await self.client.call("grep", {"pattern": "ERROR", "mode": "count", "path": "logs", "format": "json"})).data()
        errors = len(self.local_matches("ERROR", ["logs/nightly.log"]))
        same([(f["path"], f["count"]) for f in counts["files"]], [("logs/nightly.log", errors)], "counts")
        same(counts["files_searched"], 1, "files searched")

    async def does_not_find_secrets(self):
        """finds no secret by search, listing or error"""
        data = (await self.client.call("grep", {"pattern": "AKIA|PLANTED-FAKE-KEY", "format": "json"})).data()
        same([m for m in data["matches"] if not m["path"].startswith(RECORDS)], [], "matches in hidden files")
        hidden = await self.client.call("read_file", {"path": "config/deploy.pem"})
        absent = await self.client.call("read_file", {"path": "config/deplox.pem"})
        same((hidden.is_error, absent.is_error), (True, True), "errors")
        same(hidden.text.replace("deploy.pem", "deplox.pem"), absent.text, "hidden against absent")

    async def writes_a_finding(self):
        """writes a finding, and learns that it is there already"""
        lines = self.local("etl/load.py").read_text().splitlines()
        start = next(n for n, line in enumerate(lines, 1) if "INSERT OR REPLACE" in line)
        finding = {
            "rule_id": f"sql-from-strings-{self.label}",
            "severity": "high",
            "message": "The statement is put together from values of the CSV; a quote in a city breaks it.",
            "path": "etl/load.py",
            "start_line": start,
            "end_line": start + 3,
            "recommendation": "Use placeholders, as `load_events` does.",
            "category": "security",
            "confidence": 0.9,
            "tags": ["sql", "injection"],
        }
        first = (await self.client.call("write_finding", finding)).data()
        same(first["status"], "created", "status of the first")
        again = (await self.client.call("write_finding", finding)).data()
        same(again["status"], "duplicate", "status of the second")
        same((again["id"], again["fingerprint"], again["path"]), (first["id"], first["fingerprint"], first["path"]), "the second")
        stored = json.loads(self.local(first["path"]).read_text())
        same(stored["rule_id"], finding["rule_id"], "rule in the record")
        same(stored["severity"], "high", "severity in the record")
        contains(json.dumps(stored, ensure_ascii=False), "INSERT OR REPLACE INTO shipments", "snippet in the record")
        copies = [p for p in self.local(first["path"]).parent.iterdir() if first["fingerprint"] in p.name]
        same(len(copies), 1, "files of this finding")
        listed = await self.client.call("list_findings", {"rule": finding["rule_id"], "severity": "high"})
        line = f" {start}-{start + 3} high {finding['rule_id']} {first['fingerprint'][-8:]}: {finding['message']}"
        same(listed.text.splitlines(), ["etl/load.py", line, "[1 finding]"], "the list of findings")
        same(listed.structured, None, "structured content beside the list")

    async def refuses_a_finding_past_the_end(self):
        """refuses a finding on lines that are not there"""
        answer = await self.client.call(
            "write_finding",
            {"rule_id": "nothing-there", "severity": "low", "message": "x", "path": "etl/load.py", "start_line": 9000},
        )
        same(answer.is_error, True, "is an error")
        contains(answer.text, "9000", "the line in the error")

    async def proposes_a_patch(self):
        """proposes a patch that git applies, and touches no source"""
        path = "etl/transform.py"
        before = self.local(path).read_bytes()
        version = (await self.client.call("read_file", {"path": path, "format": "json"})).data()["version"]
        old = "    return cost_cents / distance_km\n"
        new = "    if distance_km <= 0:\n        return None\n    return cost_cents / distance_km\n"
        proposal = {
            "title": f"Answer no cost for a distance of zero ({self.label})",
            "edits": [{"path": path, "old_text": old, "new_text": new}],
            "expected_versions": [{"path": path, "version": version}],
            "rationale": "The night stopped at SH-100601, whose distance is zero.",
        }
        first = (await self.client.call("propose_patch", proposal)).data()
        change = first["files"][0]
        same(len(first["files"]), 1, "files")
        same((change["path"], change["change"], change["additions"], change["deletions"]), (path, "modified", 2, 0), "change")
        same(self.local(path).read_bytes(), before, "the source")
        again = (await self.client.call("propose_patch", proposal)).data()
        same(again["id"], first["id"], "id of the same proposal")
        patch = self.local(first["path"])
        patch = patch if patch.is_file() and patch.suffix == ".patch" else (patch if patch.is_dir() else patch.parent) / "change.patch"
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / path
            copy.parent.mkdir(parents=True)
            shutil.copyfile(self.local(path), copy)
            subprocess.run(["git", "init", "-q", folder], check=True, timeout=30)
            subprocess.run(["git", "apply", "--check", str(patch)], cwd=folder, check=True, timeout=30)
            subprocess.run(["git", "apply", str(patch)], cwd=folder, check=True, timeout=30)
            same(copy.read_text(), before.decode().replace(old, new), "the file with the patch")

    async def proposes_a_unified_diff(self):
        """proposes a unified diff, and is told what differs when it does not apply"""
        diff = (
            "diff --git a/service/src/auth.ts b/service/src/auth.ts\n"
            "--- a/service/src/auth.ts\n+++ b/service/src/auth.ts\n"
            "@@ -10,4 +10,3 @@ export function isAllowed(header: string | undefined): boolean {\n"
            '   const token = header.replace("Bearer ", "");\n'
            "-  console.debug(`token ${token} seen`);\n"
            "   return token == TOKEN;\n }\n"
        )
        made = (await self.client.call("propose_patch", {"title": f"Log no token ({self.label})", "patch": diff})).data()
        same((made["files"][0]["path"], made["files"][0]["deletions"]), ("service/src/auth.ts", 1), "change")
        wrong = diff.replace("token ${token} seen", "token ${token} heard")
        answer = await self.client.call("propose_patch", {"title": "Does not fit", "patch": wrong})
        same(answer.is_error, True, "is an error")
        contains(answer.text, "token ${token} seen", "the line that is there")

    async def leaves_a_report(self):
        """leaves a report, replaces it by its version, adds to it, and is told when it is another's"""
        path = f"{RECORDS}/output/reports/{self.label}.md"
        report = {"path": path, "content": "# Review\n"}
        made = (await self.client.call("write_file", report)).data()
        same((made["status"], made["size"]), ("created", 9), "status and size")
        same((await self.client.call("write_file", report)).data()["status"], "unchanged", "the same call again")
        taken = await self.client.call("write_file", report | {"content": "Something else\n"})
        same(taken.is_error, True, "another content is an error")
        # A model gives the version as read_file and errors show it, a program the whole of it.
        read = (await self.client.call("read_file", {"path": path})).text
        shown = re.search(r"version ([0-9a-f]+)", read).group(1)
        contains(taken.text, shown, "the version in the error")
        grown = report | {"content": "- nothing found\n", "append": True, "expected_version": shown}
        added = (await self.client.call("write_file", grown)).data()
        same((added["status"], self.local(path).read_text()), ("appended", "# Review\n- nothing found\n"), "the longer report")
        whole = {"path": path, "content": "# Done\n", "expected_version": added["version"]}
        same((await self.client.call("write_file", whole)).data()["status"], "replaced", "status")
        same(self.local(path).read_text(), "# Done\n", "the new report")
        source = await self.client.call("write_file", {"path": "etl/new.py", "content": "x"})
        same((source.is_error, self.local("etl/new.py").exists()), (True, False), "a source is no place for a report")

    async def queries_a_table(self):
        """counts the rows of a table by SQL"""
        rows = list(csv.DictReader(self.local("data/shipments.csv").open(newline="")))
        expected = collections.Counter(row["carrier"] for row in rows)
        query = {
            "sql": "SELECT carrier, count(*) AS n FROM shipments GROUP BY carrier ORDER BY carrier",
            "tables": [{"name": "shipments", "path": "data/shipments.csv"}],
        }
        told = (await self.client.call("query_table", query | {"format": "json"})).data()
        same(told["rows"], [list(pair) for pair in sorted(expected.items())], "rows")
        answer = await self.client.call("query_table", query)
        holds(not answer.is_error, answer.text)
        same(answer.structured, None, "structured content beside the text")
        lines = [f"{name}\t{count}" for name, count in sorted(expected.items())]
        same(answer.text.splitlines()[:-1], ["carrier\tn", *lines], "the answer as text")
        refused = await self.client.call("query_table", query | {"sql": "ATTACH 'x' AS y"})
        same(refused.is_error, True, "what is no SELECT is an error")

    async def explains_errors(self):
        """explains a missing file and an unknown argument"""
        answer = await self.client.call("read_file", {"path": "etl/tranform.py"})
        same(answer.is_error, True, "a missing file is an error")
        contains(answer.text, "etl/tranform.py", "the path that was asked")
        contains(answer.text, "etl/transform.py", "the path that was meant")
        answer = await self.client.call("read_file", {"path": "etl/load.py", "limt": 3})
        same(answer.is_error, True, "an unknown argument is an error")
        contains(answer.text, "`limt`", "the unknown argument")
        contains(answer.text, "`limit`", "the nearest argument")
        answer = await self.client.call("read_file", {"path": "../outside.txt"})
        same(answer.is_error, True, "a path that leaves is an error")
        answer = await self.client.call("grep", {"pattern": "(unclosed"})
        same(answer.is_error, True, "a bad pattern is an error")
        contains(answer.text, "(unclosed", "the pattern in the error")

    async def lists_its_records_as_resources(self):
        """lists a finding as a resource, and reads it by its URI"""
        finding = {"rule_id": "interop/resource", "severity": "info", "message": f"seen by {self.label}", "path": "etl/load.py", "start_line": 2}
        made = (await self.client.call("write_finding", finding)).data()
        uri = f"workspace:///{made['path']}"
        holds(uri in await self.client.list_resources(), f"{uri} is among the resources")
        [part] = await self.client.read_resource(uri)
        same(json.loads(part["text"])["rule_id"], "interop/resource", "the finding's rule")

    async def reads_files_as_resources(self):
        """reads text and an image by the template's URIs, and nothing that policy hides"""
        same(await self.client.list_templates(), ["workspace:///{+path}"], "templates")
        [part] = await self.client.read_resource("workspace:///etl/load.py")
        same(part["text"], self.local("etl/load.py").read_text(), "the text")
        [part] = await self.client.read_resource("workspace:///docs/lanes.png")
        same(base64.b64decode(part["blob"]), self.local("docs/lanes.png").read_bytes(), "the image")
        for hidden in (".env", "etl/none.py"):
            try:
                shown = await self.client.read_resource(f"workspace:///{hidden}")
            except Exception as error:  # each client has its own kind of error
                contains(str(error), hidden, "the error")
            else:
                raise AssertionError(f"{hidden} was read: {shown!r}")

    async def completes_paths(self):
        """completes a path as it is typed"""
        values = await self.client.complete("workspace:///{+path}", "path", "etl/")
        same(sorted(values), sorted(f"etl/{name}" for name in os.listdir(self.local("etl")) if name != "__pycache__"), "the completions")
        same(await self.client.complete("workspace:///{+path}", "path", ".e"), [], "completions of a hidden file")

    async def offers_prompts(self):
        """offers the review prompts and fills in their argument"""
        same(await self.client.list_prompts(), ["security-review", "data-quality-review", "propose-fix"], "prompts")
        [message] = await self.client.get_prompt("security-review", {"path": "etl"})
        same(message["role"], "user", "role")
        contains(message["content"]["text"], "Review `etl`", "the prompt")


BEYOND_TOOLS = [
    Steps.lists_its_records_as_resources,
    Steps.reads_files_as_resources,
    Steps.completes_paths,
    Steps.offers_prompts,
]

STEPS = [
    Steps.negotiates,
    Steps.lists_tools,
    Steps.lists_a_directory,
    Steps.pages_a_deep_listing,
    Steps.details_of_a_listing,
    Steps.reads_a_window,
    Steps.reads_json,
    Steps.reads_the_tail,
    Steps.reads_utf16,
    Steps.reads_an_image,
    Steps.greps_text,
    Steps.greps_by_pages,
    Steps.greps_utf16_and_counts,
    Steps.does_not_find_secrets,
    Steps.writes_a_finding,
    Steps.refuses_a_finding_past_the_end,
    Steps.proposes_a_patch,
    Steps.proposes_a_unified_diff,
    Steps.leaves_a_report,
    Steps.explains_errors,
]


async def run(client, workspace):
    """Walks through all steps, or those of INTEROP_CALLER; the exit status says whether all passed."""
    steps, failed, name = Steps(client, workspace), 0, client.name
    # Proxies hand on tools; templates of resources and completion do not pass through all of them.
    beyond = hasattr(client, "complete") and not os.environ.get("INTEROP_TOOLS_ONLY")
    todo = [functools.partial(step, steps) for step in STEPS + (BEYOND_TOOLS if beyond else [])]
    if os.environ.get("INTEROP_DATA"):
        todo = [functools.partial(Steps.queries_a_table, steps)]
    if caller := os.environ.get("INTEROP_CALLER"):
        import rights  # which stands on this module

        todo, name = rights.of(client, steps, caller), f"{name} {caller}"
    for step in todo:
        what = getattr(step, "func", step).__doc__
        try:
            await step()
            print(f"PASS {name}: {what}", flush=True)
        except Exception as error:  # a step that fails must not hide the others
            failed += 1
            print(f"FAIL {name}: {what}: {type(error).__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc(file=sys.stderr)
    return 1 if failed else 0
