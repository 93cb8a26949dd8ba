"""MCP Inspector's command line, a process a call: `inspector.py ERA WORKSPACE (http URL | stdio COMMAND...)`.

`INTEROP_NODE` and `INTEROP_INSPECTOR` name Node and the Inspector's script.
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import steps

VERSION = json.loads((pathlib.Path(os.environ["INTEROP_INSPECTOR"]).parents[3] / "package.json").read_text())["version"]


class Adapter:
    def __init__(self, era, transport, target, home):
        self.name = f"inspector {VERSION} {era} {transport}"
        self.expected_version = {"legacy": "2025-11-25", "modern": "2026-07-28"}[era]
        server = {"type": "streamable-http", "url": target[0], "headers": steps.authorization()} if transport == "http" else {"type": "stdio", "command": target[0], "args": list(target[1:])}
        config = pathlib.Path(home) / "servers.json"
        config.write_text(json.dumps({"mcpServers": {"workspace": server}}))
        self.command = [
            os.environ["INTEROP_NODE"], os.environ["INTEROP_INSPECTOR"], "--cli", "--config", str(config),
            "--server", "workspace", "--protocol-era", era, "--format", "json", "--quiet",
        ]
        self.environment = os.environ | {"HOME": home}

    def invoke(self, *arguments):
        done = subprocess.run(
            self.command + list(arguments), env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )
        # 5 is a tool's own error, which is an answer.
        if done.returncode not in (0, 5) or not done.stdout.strip():
            raise AssertionError(f"the Inspector failed, status {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return json.loads(done.stdout)["result"]

    async def version(self):
        return self.invoke("--method", "initialize")["protocolVersion"]

    async def list_tools(self):
        # `--strict` fails when a schema has a part that some clients do not understand.
        listed = self.invoke("--method", "tools/list", "--strict")
        return [steps.tool_from_wire(tool) for tool in listed["tools"]]

    async def call(self, tool, arguments):
        return steps.from_mcp_result(
            self.invoke("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        )

    async def list_resources(self):
        return [resource["uri"] for resource in self.invoke("--method", "resources/list")["resources"]]

    async def list_templates(self):
        return [template["uriTemplate"] for template in self.invoke("--method", "resources/templates/list")["resourceTemplates"]]

    async def read_resource(self, uri):
        return self.invoke("--method", "resources/read", "--uri", uri)["contents"]

    async def list_prompts(self):
        return [prompt["name"] for prompt in self.invoke("--method", "prompts/list")["prompts"]]

    async def get_prompt(self, name, arguments):
        pairs = [f"{key}={value}" for key, value in arguments.items()]
        return self.invoke("--method", "prompts/get", "--prompt-name", name, "--prompt-args", *pairs)["messages"]


def main(era, workspace, transport, *target):
    with tempfile.TemporaryDirectory() as home:
        return asyncio.run(steps.run(Adapter(era, transport, target, home), workspace))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
