"""What comes to the function: signed requests of the agents, a gateway's calls, a Bedrock agent's events."""

import json
import pathlib
import tempfile
import urllib.request

import agents
import claude
import reviewer
import runtime
import signed
from harness import BINARY, EXAMPLES, HERE, PYTHON, ROOT, SECONDS, interop, run, succeeded

GATEWAY, TARGET = "mcp-workspace-abcde12345", "TGT1234567"
AGENT, ALIAS = "AGENT12345", "TSTALIASID"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:mcp-workspace"
URL = "https://abc123.lambda-url.eu-west-1.on.aws/"


def request_of(example, *arguments):
    """The request that an example prints instead of sending it, without credentials."""
    command = [PYTHON, next((EXAMPLES / example).glob("add_*.py")), *arguments, "--mcp-workspace", BINARY, "--dry-run"]
    return json.loads(succeeded(run(command)))


def fits(service, operation, request):
    """Whether a request is what the service's model says, limits included; and that a spoilt one is not."""
    checker = [PYTHON, HERE / "limits.py", service, operation]
    for spoilt in (False, True):
        with tempfile.TemporaryFile("w+") as file:
            json.dump(request | ({"unheard_of": 1} if spoilt else {}), file)
            file.seek(0)
            done = run(checker, stdin=file)
        assert (done.returncode == 0) != spoilt, f"spoilt {spoilt}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def printed_tools(form):
    return json.loads(succeeded(run([BINARY, "tools", "--format", form])))


def gateway(report, workspace, policy):
    """The two ways of an AgentCore Gateway."""
    service, operation = "bedrock-agentcore-control", "CreateGatewayTarget"
    with report.check("agentcore_gateway: the MCP-server target is a request that the service takes"):
        request = request_of("agentcore_gateway", "--gateway", GATEWAY, "--url", URL)
        fits(service, operation, request)
        assert request["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == f"{URL}mcp", request
    with report.check("agentcore_gateway: the Lambda target is a request that the service takes"):
        request = request_of("agentcore_gateway", "--gateway", GATEWAY, "--function", FUNCTION)
        fits(service, operation, request)
        schema = request["targetConfiguration"]["mcp"]["lambda"]["toolSchema"]["inlinePayload"]
        assert schema == printed_tools("agentcore") and "grep" in {tool["name"] for tool in schema}, schema
    context = {"custom": {
        "bedrockAgentCoreToolName": "workspace___write_finding", "bedrockAgentCoreMessageVersion": "1.0",
        "bedrockAgentCoreAwsRequestId": "1", "bedrockAgentCoreMcpMessageId": "7",
        "bedrockAgentCoreGatewayId": GATEWAY, "bedrockAgentCoreTargetId": TARGET,
    }}
    arguments = reviewer.turns("gateway/sql")[2][0]["toolUse"]["input"]
    with report.check("agentcore_gateway: the function answers what the gateway hands it"):
        settings = {"MCP_WORKSPACE_ROOT": str(workspace), "MCP_WORKSPACE_POLICY": str(policy), "MCP_WORKSPACE_EVENTS": "gateway"}
        answer = runtime.invoke(BINARY, settings, arguments, context)
        assert answer["status"] == "created", answer
        reviewer.finding_is_stored(workspace, "gateway/sql", f"agentcore:{GATEWAY}/{TARGET}")


def classic(report, api, workspace):
    """Both forms of an action group, and an event in each."""
    for form in ("functions", "openapi"):
        with report.check(f"bedrock_agent_classic {form}: requests that the services take"):
            requests = request_of("bedrock_agent_classic", "--agent", AGENT, "--function", FUNCTION, "--form", form)
            fits("lambda", "AddPermission", requests["AddPermission"])
            group = requests["CreateAgentActionGroup"]
            fits("bedrock-agent", "CreateAgentActionGroup", group)
            if form == "functions":
                functions = group["functionSchema"]["functions"]
                assert functions == printed_tools("bedrock-functions")["functions"], functions
                assert 0 < max(len(function["parameters"]) for function in functions) <= 5, "the quota is 5 parameters"
            else:
                schema = json.loads(group["apiSchema"]["payload"])
                assert schema == printed_tools("bedrock-openapi"), schema
                assert 0 < len(schema["paths"]) <= 11, "the quota is 11 operations"
        with report.check(f"bedrock_agent_classic {form}: the function answers the agent's event in its form"):
            given = reviewer.turns(f"classic/{form}")[2][0]["toolUse"]["input"]
            kinds = {str: "string", int: "integer"}
            parameters = [{"name": name, "type": kinds[type(value)], "value": str(value)} for name, value in given.items()]
            event = {
                "messageVersion": "1.0", "agent": {"name": "reviewer", "id": AGENT, "alias": ALIAS, "version": "DRAFT"},
                "inputText": "Look for injection", "sessionId": "1", "actionGroup": "workspace",
                "sessionAttributes": {"ticket": "42"}, "promptSessionAttributes": {},
            }
            if form == "functions":
                # Function details offer five arguments; the rest is asked for by OpenAPI.
                offered = next(f for f in printed_tools("bedrock-functions")["functions"] if f["name"] == "write_finding")["parameters"]
                parameters = [one for one in parameters if one["name"] in offered]
                event |= {"function": "write_finding", "parameters": parameters}
            else:
                event |= {"apiPath": "/write_finding", "httpMethod": "POST",
                          "requestBody": {"content": {"application/json": {"properties": parameters}}}}
            answer = invoke(api, event)
            assert answer["messageVersion"] == "1.0" and answer["sessionAttributes"] == {"ticket": "42"}, answer
            response = answer["response"]
            if form == "functions":
                assert response["function"] == "write_finding" and "responseState" not in response["functionResponse"], answer
                body = response["functionResponse"]["responseBody"]["TEXT"]["body"]
            else:
                assert (response["apiPath"], response["httpStatusCode"]) == ("/write_finding", 200), answer
                body = response["responseBody"]["application/json"]["body"]
            assert json.loads(body)["status"] == "created", body
            reviewer.finding_is_stored(workspace, f"classic/{form}", f"bedrock-agent:{AGENT}/{ALIAS}")


def invoke(api, event):
    """One invocation of the emulated function."""
    request = urllib.request.Request(f"{api}/2015-03-31/functions/_/invocations", json.dumps(event).encode())
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def function(report):
    """What comes to the function: signed requests of both agents, a gateway, a Bedrock agent."""
    callers = [signed.front.ROLE, f"agentcore:{GATEWAY}/*", f"bedrock-agent:{AGENT}/*"]
    local = (ROOT / "policies/local.toml").read_text().partition("[[expect]]")[0]
    policy_text = local.replace('callers = ["local"', f"callers = {json.dumps(callers)[:-1]}", 1)
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-examples-") as folder, interop.fresh_workspace() as workspace:
        policy = pathlib.Path(folder) / "policy.toml"
        policy.write_text(policy_text)
        verdicts = []
        with interop.emulator(folder) as api, interop.function(api, workspace, policy, False):
            with signed.front.serve(api, False, True, signed.verifying(agents.KEYS, verdicts)) as url:
                for name in agents.AGENTS:
                    options = ("--url", url, "--service", "lambda", "--region", "eu-west-1")
                    agents.agent(report, name, workspace, signed.front.ROLE, f"{name}/signed", *options)
                    with report.check(f"{name} signed: every request bears a right signature"):
                        assert len(verdicts) >= 7 and set(verdicts) == {None}, verdicts
                    agents.wrong_key(report, name, url, verdicts)
                    verdicts.clear()
                claude.over_aws(report, url, agents.CREDENTIALS, workspace, signed.front.ROLE)
                with report.check("claude_code aws: every request bears a right signature"):
                    assert len(verdicts) >= 7 and set(verdicts) == {None}, verdicts
            classic(report, api, workspace)
        gateway(report, workspace, policy)
