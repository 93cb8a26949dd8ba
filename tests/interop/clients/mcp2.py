"""The Python SDK 2.x, which speaks 2026-07-28: `mcp2.py WORKSPACE (http URL | stdio COMMAND...)`."""

import asyncio
import contextlib
import sys
from importlib.metadata import version

import steps
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import ResourceTemplateReference


class Adapter:
    expected_version = "2026-07-28"

    def __init__(self, client, transport):
        self.client = client
        self.name = f"mcp {version('mcp')} {transport}"

    async def version(self):
        return self.client.protocol_version

    async def list_tools(self):
        listed = await self.client.list_tools()
        return [steps.tool_from_wire(tool.model_dump(mode="json", by_alias=True)) for tool in listed.tools]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments, read_timeout_seconds=30)
        return steps.from_mcp_result(result.model_dump(mode="json", by_alias=True))

    async def list_resources(self):
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def list_templates(self):
        listed = (await self.client.list_resource_templates()).model_dump(mode="json", by_alias=True)
        return [template["uriTemplate"] for template in listed["resourceTemplates"]]

    async def read_resource(self, uri):
        return (await self.client.read_resource(uri)).model_dump(mode="json", by_alias=True)["contents"]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def get_prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).model_dump(mode="json", by_alias=True)["messages"]

    async def complete(self, template, name, value):
        reference = ResourceTemplateReference(type="ref/resource", uri=template)
        return (await self.client.complete(reference, {"name": name, "value": value})).completion.values


async def main(workspace, transport, *target):
    async with contextlib.AsyncExitStack() as stack:
        if transport == "stdio":
            server = StdioServerParameters(command=target[0], args=list(target[1:]))
        else:
            http = await stack.enter_async_context(create_mcp_http_client(headers=steps.authorization()))
            server = streamable_http_client(target[0], http_client=http)
        client = await stack.enter_async_context(Client(server, read_timeout_seconds=30))
        return await steps.run(Adapter(client, transport), workspace)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
