"""FastMCP's client: `fastmcp_client.py WORKSPACE (http URL | stdio COMMAND...)`."""

import asyncio
import sys
from importlib.metadata import version

import steps
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


class Adapter:
    expected_version = "2026-07-28"

    def __init__(self, client, transport):
        self.client = client
        self.name = f"fastmcp {version('fastmcp')} {transport}"

    async def version(self):
        return self.client.protocol_version

    async def list_tools(self):
        return [steps.tool_from_wire(tool.model_dump(mode="json", by_alias=True)) for tool in await self.client.list_tools()]

    async def call(self, tool, arguments):
        result = await self.client.call_tool_mcp(tool, arguments)
        return steps.from_mcp_result(result.model_dump(mode="json", by_alias=True))

    async def list_resources(self):
        return [str(resource.uri) for resource in await self.client.list_resources()]

    async def list_templates(self):
        return [template.model_dump(mode="json", by_alias=True)["uriTemplate"] for template in await self.client.list_resource_templates()]

    async def read_resource(self, uri):
        return [part.model_dump(mode="json", by_alias=True) for part in await self.client.read_resource(uri)]

    async def list_prompts(self):
        return [prompt.name for prompt in await self.client.list_prompts()]

    async def get_prompt(self, name, arguments):
        got = await self.client.get_prompt(name, arguments)
        return got.model_dump(mode="json", by_alias=True)["messages"]

    async def complete(self, template, name, value):
        from mcp.types import ResourceTemplateReference

        completion = await self.client.complete(ResourceTemplateReference(type="ref/resource", uri=template), {"name": name, "value": value})
        return completion.values


async def main(workspace, transport, *target):
    server = StreamableHttpTransport(target[0], headers=steps.authorization()) if transport == "http" else StdioTransport(command=target[0], args=list(target[1:]), keep_alive=False)
    async with Client(server, timeout=30, init_timeout=30) as client:
        return await steps.run(Adapter(client, transport), workspace)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
