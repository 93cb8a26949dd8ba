"""Adds a deployed mcp-workspace to an AgentCore Gateway, as an MCP server or as a Lambda target.

    python add_target.py --gateway GATEWAY-ID --url https://ID.lambda-url.REGION.on.aws/
    python add_target.py --gateway GATEWAY-ID --function FUNCTION-ARN

`--dry-run` prints the request and sends nothing; it needs no credentials.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from typing import Any

import boto3

SECONDS = 300


def mcp_server(url: str) -> dict[str, Any]:
    """The function URL as an MCP server, called under the gateway's own role."""
    host = re.match(r"https://[^/]+\.lambda-url\.([a-z0-9-]+)\.on\.aws/", url)
    if host is None:
        sys.exit(f"{url} is no function URL; it looks like https://ID.lambda-url.REGION.on.aws/")
    return {
        "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": f"{host[0]}mcp"}}},
        "credentialProviderConfigurations": [{
            "credentialProviderType": "GATEWAY_IAM_ROLE",
            "credentialProvider": {"iamCredentialProvider": {"service": "lambda", "region": host[1]}},
        }],
    }


def lambda_target(function: str, program: str) -> dict[str, Any]:
    """The function itself, with the tools that `mcp-workspace tools` prints; no URL is needed."""
    printed = subprocess.run([program, "tools", "--format", "agentcore"], check=True, stdout=subprocess.PIPE)
    schema = {"inlinePayload": json.loads(printed.stdout)}
    return {
        "targetConfiguration": {"mcp": {"lambda": {"lambdaArn": function, "toolSchema": schema}}},
        "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gateway", required=True, help="the gateway's id")
    options.add_argument("--name", default="workspace", help="agents see the tools as NAME___TOOL [default: %(default)s]")
    way = options.add_mutually_exclusive_group(required=True)
    way.add_argument("--url", help="output FunctionUrl of deploy/template.yaml")
    way.add_argument("--function", help="output FunctionArn of deploy/template.yaml")
    options.add_argument("--mcp-workspace", default="mcp-workspace", help="the program that prints the tools")
    options.add_argument("--dry-run", action="store_true", help="print the request instead of sending it")
    given = options.parse_args()

    request = {
        "gatewayIdentifier": given.gateway,
        "name": given.name,
        "description": "mcp-workspace: sandboxed file tools over one workspace",
        **(mcp_server(given.url) if given.url else lambda_target(given.function, given.mcp_workspace)),
    }
    if given.dry_run:
        print(json.dumps(request, indent=2))
        return
    client = boto3.client("bedrock-agentcore-control")
    target = client.create_gateway_target(**request)
    deadline = time.monotonic() + SECONDS
    while target["status"] == "CREATING" and time.monotonic() < deadline:
        time.sleep(5)
        target = client.get_gateway_target(gatewayIdentifier=given.gateway, targetId=target["targetId"])
    print(f"{target['targetId']} is {target['status']}", *target.get("statusReasons", []))
    if target["status"] != "READY":
        sys.exit(1)
    if given.function:
        print(f"in the policy its callers are `agentcore:{given.gateway}/{target['targetId']}`")


if __name__ == "__main__":
    main()
