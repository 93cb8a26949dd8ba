"""Adds a deployed mcp-workspace to a Bedrock agent (Classic) as an action group.

    python add_action_group.py --agent AGENT-ID --function FUNCTION-ARN
    python add_action_group.py --agent AGENT-ID --function FUNCTION-ARN --form openapi

`--dry-run` prints the requests and sends nothing; it needs no credentials.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from typing import Any

import boto3


def definition(form: str, program: str) -> dict[str, Any]:
    """The tools as `mcp-workspace tools` prints them for action groups."""
    command = [program, "tools", "--format", f"bedrock-{form}"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if form == "functions":
        return {"functionSchema": json.loads(printed)}
    return {"apiSchema": {"payload": printed}}


def agent_arn(agent: str, function: str) -> str:
    """The ARN of an agent in the account and region of the function."""
    _, partition, _, region, account, *_ = function.split(":")
    return f"arn:{partition}:bedrock:{region}:{account}:agent/{agent}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--agent", required=True, help="the agent's id; the action group is added to its draft")
    options.add_argument("--function", required=True, help="output FunctionArn of deploy/template.yaml")
    options.add_argument("--name", default="workspace", help="the action group's name [default: %(default)s]")
    options.add_argument("--form", choices=["functions", "openapi"], default="functions",
                         help="function details, or OpenAPI with every argument [default: %(default)s]")
    options.add_argument("--mcp-workspace", default="mcp-workspace", help="the program that prints the tools")
    options.add_argument("--dry-run", action="store_true", help="print the requests instead of sending them")
    given = options.parse_args()

    permission = {
        "FunctionName": given.function,
        "StatementId": f"bedrock-agent-{given.agent}",
        "Action": "lambda:InvokeFunction",
        "Principal": "bedrock.amazonaws.com",
        "SourceArn": agent_arn(given.agent, given.function),
    }
    group = {
        "agentId": given.agent,
        "agentVersion": "DRAFT",
        "actionGroupName": given.name,
        "description": "mcp-workspace: sandboxed file tools over one workspace",
        "actionGroupExecutor": {"lambda": given.function},
        **definition(given.form, given.mcp_workspace),
    }
    if given.dry_run:
        print(json.dumps({"AddPermission": permission, "CreateAgentActionGroup": group}, indent=2))
        return
    functions, agents = boto3.client("lambda"), boto3.client("bedrock-agent")
    try:
        functions.add_permission(**permission)
    except functions.exceptions.ResourceConflictException:
        print("the agent may already invoke the function")
    added = agents.create_agent_action_group(**group)["agentActionGroup"]
    agents.prepare_agent(agentId=given.agent)
    print(f"{added['actionGroupId']} is {added['actionGroupState']}; the draft is being prepared")
    print(f"in the policy its callers are `bedrock-agent:{given.agent}/ALIAS-ID`, TSTALIASID for the draft")


if __name__ == "__main__":
    main()
