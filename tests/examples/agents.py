"""The Strands and the LangChain agent at work, each with its own Bedrock client."""

import json
import tempfile

import bedrock
import reviewer
from harness import EXAMPLES, PYTHON, TOOLS, interop, run, succeeded

AGENTS = ("strands", "langchain")
KEYS = {"AKIDEXAMPLE": "a-secret-for-tests"}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": KEYS["AKIDEXAMPLE"], "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def agent(report, name, workspace, caller, rule, *options):
    """One example agent at work, with its own model client."""
    with bedrock.serve(reviewer.turns(rule)) as (endpoint, requests), tempfile.TemporaryDirectory() as home:
        settings = CREDENTIALS | {"HOME": home, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": endpoint}
        command = [PYTHON, EXAMPLES / name / "agent.py", "--model", "anthropic.claude-test-v1:0", *options, "Look for injection in etl/"]
        how = "signed" if "--service" in options else "local"
        with report.check(f"{name} {how}: the agent works to its end"):
            printed = succeeded(run(command, settings=settings))
            assert "One injection in etl/load.py." in printed and "4 turns, 400 tokens in, 40 out" in printed, printed
        with report.check(f"{name} {how}: the model is offered every tool"):
            offered = sorted(tool["toolSpec"]["name"] for tool in requests[0]["toolConfig"]["tools"] if "toolSpec" in tool)
            assert offered == TOOLS, offered
        with report.check(f"{name} {how}: the model reads answers and errors"):
            reviewer.answers_are_right(*map(reviewer.results, requests[1:4]))
        with report.check(f"{name} {how}: the finding is stored for {caller}"):
            reviewer.finding_is_stored(workspace, rule, caller)


def signing(report, name):
    """Which URLs an agent signs its requests to."""
    expected = {
        "http://127.0.0.1:8787/mcp": [None, None],
        "https://abc123.lambda-url.eu-west-1.on.aws/mcp": ["lambda", "eu-west-1"],
        "https://mcp-workspace-abcde12345.gateway.bedrock-agentcore.us-east-1.amazonaws.com/mcp": ["bedrock-agentcore", "us-east-1"],
        "https://example.com/abc.lambda-url.eu-west-1.on.aws/mcp": [None, None],
    }
    program = "import agent, json, sys; print(json.dumps({url: agent.signing(url, None, None) for url in sys.argv[1:]}))"
    with report.check(f"{name}: the host name tells how to sign"):
        said = json.loads(succeeded(run([PYTHON, "-c", program, *expected], cwd=EXAMPLES / name)))
        assert said == expected, said


def agents(report):
    """Strands and LangChain against `serve`."""
    for name in AGENTS:
        signing(report, name)
    with interop.fresh_workspace() as workspace, interop.server(workspace) as url:
        for name in AGENTS:
            agent(report, name, workspace, "local", f"{name}/sql", "--url", url)


def wrong_key(report, name, url, verdicts):
    """Who does not have the secret gets no tools, and is told so."""
    settings = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "another", "HOME": "/nonexistent"}
    verdicts.clear()
    with report.check(f"{name} signed: another secret is refused"):
        done = run([PYTHON, EXAMPLES / name / "agent.py", "--model", "m", "--url", url, "--service", "lambda", "--region", "eu-west-1", "x"],
                   settings=settings)
        assert done.returncode != 0 and "403" in done.stderr, f"{done.returncode} {done.stderr[-1500:]}"
        assert set(verdicts) == {"the signature is another"}, verdicts
