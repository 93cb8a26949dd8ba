"""Claude Code itself on the project configuration of examples/claude_code, with a scripted model."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import tempfile

import messages
import reviewer
from harness import BINARY, EXAMPLES, HERE, PYTHON, ROOT, TOOLS, interop, run, succeeded

# The tools that the example's reviewer is not given.
NOT_OFFERED = {"read_state", "write_state", "write_file"}
CLAUDE = HERE / f"node_modules/@anthropic-ai/claude-code-{interop.machine()}/claude"


@contextlib.contextmanager
def project(folder, trusted):
    """The project of examples/claude_code with a home of its own, in which its owner trusts it or not."""
    home, place = pathlib.Path(folder) / "home", pathlib.Path(folder) / "project"
    home.mkdir()
    shutil.copytree(EXAMPLES / "claude_code", place)
    shutil.copytree(interop.EXAMPLE, place, ignore=shutil.ignore_patterns(".mcp-workspace", "__pycache__", "README.md"), dirs_exist_ok=True)
    if trusted:
        (home / ".claude.json").write_text(json.dumps({"projects": {str(place): {"hasTrustDialogAccepted": True}}}))
    bare = {
        "HOME": str(home), "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # A busy machine may take its time to start the server.
        "MCP_CONNECT_TIMEOUT_MS": "60000",
        # As a person's PATH has it.
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}",
    }
    yield place, bare


def claude(report):
    """Claude Code itself, with the project's configuration."""
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-claude-") as folder, project(folder, True) as (place, settings):
        with report.check("claude_code: the server of .mcp.json is connected"):
            printed = succeeded(run([CLAUDE, "mcp", "list"], cwd=place, settings=settings))
            assert "✔ Connected" in printed and "Warning" not in printed, printed
        for name in ("http", "aws"):
            with report.check(f"claude_code: {name}.mcp.json is understood"):
                servers = json.loads((place / f"{name}.mcp.json").read_text())["mcpServers"]
                for server, definition in servers.items():
                    succeeded(run([CLAUDE, "mcp", "add-json", f"{server}-{name}", json.dumps(definition)], cwd=place, settings=settings))
        with report.check("claude_code: the commands of our pages add the server"):
            for line in added_servers():
                succeeded(run([CLAUDE, *shlex.split(line)[1:]], cwd=place, settings=settings))
                name = next(word for word in shlex.split(line)[3:] if not word.startswith("-") and word != "http")
                succeeded(run([CLAUDE, "mcp", "remove", name, "-s", "local"], cwd=place, settings=settings))
        reviews(report, "stdio", place, settings, [])
        with interop.server(place) as url:
            reviews(report, "http", place, settings | {"WORKSPACE_URL": url}, ["--mcp-config", "http.mcp.json", "--strict-mcp-config"])
        with report.check("claude_code: the prompts are slash commands"):
            slash_command(place, settings)
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-claude-") as folder, project(folder, False) as (place, settings):
        with report.check("claude_code: nothing is started before the project is trusted"):
            printed = succeeded(run([CLAUDE, "mcp", "list"], cwd=place, settings=settings))
            assert "Pending approval" in printed and "Connected" not in printed, printed


def added_servers():
    """The `claude mcp add` lines of our pages, with continued lines joined."""
    pages = [ROOT / "README.md", ROOT / "deploy/README.md", EXAMPLES / "claude_code/README.md"]
    lines = [line.strip() for page in pages for line in page.read_text().replace("\\\n", " ").splitlines()]
    found = [line for line in lines if line.startswith("claude mcp add ")]
    assert len(found) >= 2, found
    return found


def ask(place, settings, turns, prompt, *options):
    """What Claude Code answers, and what its model was asked."""
    with messages.serve(turns) as (endpoint, requests):
        settings = settings | {"ANTHROPIC_BASE_URL": endpoint, "ANTHROPIC_API_KEY": "not-a-key"}
        printed = succeeded(run([CLAUDE, "--print", prompt, "--output-format", "json", *options], cwd=place, settings=settings))
        return json.loads(printed), requests


def over_aws(report, url, credentials, workspace, caller):
    """Claude Code on the function URL at `url`, through the signing proxy of aws.mcp.json."""
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-claude-") as folder, project(folder, True) as (place, settings):
        # In the place of uvx, which would fetch it: the same proxy from the Python environment.
        uvx = pathlib.Path(folder) / "bin/uvx"
        uvx.parent.mkdir()
        uvx.write_text(f'#!/bin/sh\n[ "$1" = mcp-proxy-for-aws-cli@{version("mcp-proxy-for-aws")} ] || exit 1\n'
                       f'shift\nexec {shlex.quote(str(PYTHON.parent / "mcp-proxy-for-aws"))} "$@"\n')
        uvx.chmod(0o755)
        settings |= credentials | {"WORKSPACE_URL": url, "AWS_REGION": "eu-west-1", "PATH": f"{uvx.parent}:{os.environ['PATH']}"}
        reviews(report, "aws", place, settings, ["--mcp-config", "aws.mcp.json", "--strict-mcp-config"], workspace, caller)


def version(package):
    """The version that the examples pin."""
    pins = (EXAMPLES / "strands/requirements.txt").read_text().split()
    return next(pin.split("==")[1] for pin in pins if pin.startswith(f"{package}=="))


def reviews(report, how, place, settings, options, workspace=None, caller="local"):
    """The agent of `.claude/agents` at work."""
    rule = f"claude/{how}"
    with report.check(f"claude_code {how}: the agent works to its end, by the rights of settings.json"):
        answer, requests = ask(place, settings, reviewer.turns(rule, "mcp__mcp-workspace__"), "Look for injection in etl/",
                               "--agent", "workspace-reviewer", *options)
        assert answer["result"] == "One injection in etl/load.py." and answer["permission_denials"] == [], answer
    with report.check(f"claude_code {how}: the agent has the workspace's tools and no others"):
        offered = {tool["name"] for tool in requests[0]["tools"] if not tool["name"].startswith("DeferredTool")}
        assert offered == {f"mcp__mcp-workspace__{tool}" for tool in set(TOOLS) - NOT_OFFERED}, offered
    with report.check(f"claude_code {how}: the model reads answers and errors"):
        reviewer.answers_are_right(*map(given_back, requests[1:4]))
    with report.check(f"claude_code {how}: the finding is stored for {caller}"):
        reviewer.finding_is_stored(workspace or place, rule, caller)


def given_back(request):
    """What a request of the Messages API gives back, as `results` does for Converse."""
    found = {}
    for block in (block for message in request["messages"] if isinstance(message["content"], list) for block in message["content"]):
        if block["type"] == "tool_result":
            content = block["content"]
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            found[block["tool_use_id"]] = (text, bool(block.get("is_error")))
    return found


def slash_command(place, settings):
    """A prompt of the server, asked for by its slash command."""
    _, requests = ask(place, settings, [[{"text": "Done."}]], "/mcp__mcp-workspace__security-review etl")
    assert "etl" in json.dumps(requests[0]["messages"]) and "write_finding" in json.dumps(requests[0]["messages"]), requests[0]["messages"]
