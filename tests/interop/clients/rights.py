"""What two callers with different rights see beyond tools: the same steps, each with its own answers.

`tests/interop/run callers` starts one server with `POLICY` for both. What a caller may not read is for
it as if it were not there: in no list, in no completion, and answered as a missing file is.
"""

import os

from steps import contains, holds, same

POLICY = """
version = 1

[[role]]
name    = "reviewer"
callers = ["reviewer"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch"]
read    = ["**"]
write   = ["output/**"]
propose = ["etl/**"]
deny    = ["**/.env", "**/*.pem"]

[[role]]
name    = "reader"
callers = ["reader"]
tools   = ["list_dir", "read_file", "grep"]
read    = ["docs/**", "etl/**"]
deny    = ["etl/cli.py"]
"""
CALLERS = ("reviewer", "reader")
TEMPLATE = "workspace:///{+path}"
PROMPTS = {"reviewer": ["security-review", "data-quality-review", "propose-fix"], "reader": []}
TOOLS = {"reviewer": ["grep", "list_dir", "propose_patch", "read_file", "write_finding"], "reader": ["grep", "list_dir", "read_file"]}
# Of each caller: what it may read, and what is there but not for it.
SEEN = {"reviewer": ["etl/cli.py", "service/src/auth.ts", "docs/data-dictionary.md"], "reader": ["docs/data-dictionary.md", "etl/load.py"]}
HIDDEN = {"reviewer": [".env", "config/deploy.pem"], "reader": [".env", "config/deploy.pem", "service/src/auth.ts", "README.md", "etl/cli.py"]}


async def refusal(asked):
    """The words of the error that a request gives."""
    try:
        given = await asked
    except Exception as error:  # each client has its own kind of error
        return str(error)
    raise AssertionError(f"expected an error, got {given!r}")


class Rights:
    """The steps, each one method; the docstring is its name."""

    def __init__(self, client, steps, caller):
        self.client = client
        self.steps = steps
        self.caller = caller

    def records(self):
        """The URIs of the records that lie in the workspace."""
        folder = self.steps.local("output")
        findings = folder.glob("findings/*/*.json")
        patches = folder.glob("proposals/*/change.patch")
        paths = [path.relative_to(self.steps.workspace).as_posix() for path in [*findings, *patches]]
        return sorted(f"workspace:///{path}" for path in paths)

    async def is_as_if_missing(self, path):
        """A read of it says what a read of a missing file says."""
        # A name of the same length, so that a client that cuts an error cuts both alike.
        absent = path[:-1] + "~"
        told = await refusal(self.client.read_resource(f"workspace:///{path}"))
        # Clients show the URI as it was sent or as it is escaped; `~` stays as it is in both.
        missing = await refusal(self.client.read_resource(f"workspace:///{absent}"))
        contains(told, path, "the error")
        same(told.replace(path, absent), missing, f"{path} against a missing file")

    async def has_its_tools(self):
        """has the tools of its role"""
        same(sorted(tool.name for tool in await self.client.list_tools()), TOOLS[self.caller], "tools")

    async def has_its_prompts(self):
        """is offered the prompts for which it has the tools, and no other can be had"""
        same(await self.client.list_prompts(), PROMPTS[self.caller], "prompts")
        if "security-review" in PROMPTS[self.caller]:
            [message] = await self.client.get_prompt("security-review", {"path": "etl"})
            contains(message["content"]["text"], "Review `etl`", "the prompt")
            return
        told = await refusal(self.client.get_prompt("security-review", {"path": "etl"}))
        unknown = await refusal(self.client.get_prompt("no-such-prompt", {"path": "etl"}))
        same(told.replace("security-review", "no-such-prompt"), unknown, "a prompt of others against one that is not there")

    async def lists_its_records(self):
        """lists as resources the records that it may read"""
        if self.caller == "reviewer":
            finding = {"rule_id": f"rights-{self.steps.label}", "severity": "info", "message": "m", "path": "etl/load.py", "start_line": 2}
            (await self.client.call("write_finding", finding)).data()
            edit = {"path": "etl/load.py", "old_text": "def load_events(", "new_text": f"def load_events_{len(self.steps.label)}("}
            (await self.client.call("propose_patch", {"title": self.steps.label, "edits": [edit]})).data()
        records = self.records()
        holds(len(records) >= 2, f"a finding and a proposal lie there: {records}")
        same(sorted(await self.client.list_resources()), records if self.caller == "reviewer" else [], "resources")
        if self.caller == "reader":
            for uri in records:
                await self.is_as_if_missing(uri.removeprefix("workspace:///"))
            return
        for uri in records:
            [part] = await self.client.read_resource(uri)
            same(part["text"], self.steps.local(uri.removeprefix("workspace:///")).read_text(), "the record")

    async def reads_what_it_may(self):
        """reads by the template what it may read; the rest is as if it were not there"""
        same(await self.client.list_templates(), [TEMPLATE], "templates")
        for path in SEEN[self.caller]:
            [part] = await self.client.read_resource(f"workspace:///{path}")
            same(part["text"], self.steps.local(path).read_text(), path)
        for path in HIDDEN[self.caller]:
            holds(self.steps.local(path).is_file(), f"{path} is there")
            await self.is_as_if_missing(path)

    async def completes_what_it_may(self):
        """completes the paths that it may read, and no others"""
        top = {
            f"{name}/" if self.steps.local(name).is_dir() else name
            for name in os.listdir(self.steps.workspace) if name != ".env"
        }
        expected = {
            "reviewer": {"": sorted(top), "service/s": ["service/src/"], "config/d": [], ".e": [], "etl/c": ["etl/cli.py"]},
            "reader": {"": ["docs/", "etl/"], "service/s": [], "ser": [], "config/": [], ".e": [], "etl/c": [], "etl/l": ["etl/load.py"], "output/": []},
        }
        for typed, values in expected[self.caller].items():
            same(sorted(await self.client.complete(TEMPLATE, "path", typed)), values, f"completions of {typed!r}")


def of(client, steps, caller):
    """The steps for one caller; a client's command line may lack completion."""
    rights = Rights(client, steps, caller)
    can_complete = hasattr(client, "complete")
    return [
        rights.has_its_tools,
        rights.has_its_prompts,
        rights.lists_its_records,
        rights.reads_what_it_may,
    ] + ([rights.completes_what_it_may] if can_complete else [])
