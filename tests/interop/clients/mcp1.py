"""The Python SDK 1.x, which begins with `initialize`: `mcp1.py WORKSPACE (http URL | stdio COMMAND...)`."""

import asyncio
import contextlib
import sys
from datetime import timedelta
from importlib.metadata import version

import steps
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import ResourceTemplateReference
from pydantic import AnyUrl


class Adapter:
    expected_version = "2025-11-25"

    def __init__(self, session, negotiated, transport):
        self.session = session
        self.negotiated = negotiated
        self.name = f"mcp {version('mcp')} {transport}"

    async def version(self):
        return self.negotiated

    async def list_tools(self):
        listed = await self.session.list_tools()
        return [steps.tool_from_wire(tool.model_dump(mode="json", by_alias=True)) for tool in listed.tools]

    async def call(self, tool, arguments):
        result = await self.session.call_tool(tool, arguments)
        return steps.from_mcp_result(result.model_dump(mode="json", by_alias=True))

    async def list_resources(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def list_templates(self):
        listed = (await self.session.list_resource_templates()).model_dump(mode="json", by_alias=True)
        return [template["uriTemplate"] for template in listed["resourceTemplates"]]

    async def read_resource(self, uri):
        return (await self.session.read_resource(AnyUrl(uri))).model_dump(mode="json", by_alias=True)["contents"]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self.session.list_prompts()).prompts]

    async def get_prompt(self, name, arguments):
        return (await self.session.get_prompt(name, arguments)).model_dump(mode="json", by_alias=True)["messages"]

    async def complete(self, template, name, value):
        reference = ResourceTemplateReference(type="ref/resource", uri=template)
        return (await self.session.complete(reference, {"name": name, "value": value})).completion.values


async def main(workspace, transport, *target):
    async with contextlib.AsyncExitStack() as stack:
        if transport == "http":
            http = await stack.enter_async_context(create_mcp_http_client(headers=steps.authorization()))
            streams = streamable_http_client(target[0], http_client=http)
        else:
            streams = stdio_client(StdioServerParameters(command=target[0], args=list(target[1:])))
        read, write, *_ = await stack.enter_async_context(streams)
        async with ClientSession(read, write, read_timeout_seconds=timedelta(seconds=30)) as session:
            greeting = await session.initialize()
            return await steps.run(Adapter(session, greeting.protocolVersion, transport), workspace)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
