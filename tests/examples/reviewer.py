"""A scripted model that reviews the example workspace, and what must have come of it.

The turns are Converse content blocks, as bedrock.py and messages.py play them.
"""

import json


def use(tool, identity, **arguments):
    return {"toolUse": {"toolUseId": identity, "name": tool, "input": arguments}}


def turns(rule, prefix=""):
    """A model that searches, is refused twice, reports what it found and ends."""
    return [
        [{"text": "I search."}, use(f"{prefix}grep", "t1", pattern="INSERT OR REPLACE", path="etl"),
         use(f"{prefix}read_file", "t2", path="etl/load.py", offset=38, limit=8)],
        [use(f"{prefix}read_file", "t3", path=".env"), use(f"{prefix}grep", "t4", patern="x")],
        [use(f"{prefix}write_finding", "t5", rule_id=rule, severity="critical", message="SQL is put together from values",
             path="etl/load.py", start_line=41, end_line=44)],
        [{"text": "One injection in etl/load.py."}],
    ]


def results(request):
    """What the last message of a Converse request gives back, by the id of the call: text, and whether it is an error."""
    return {
        block["toolResult"]["toolUseId"]: (
            "".join(part.get("text") or json.dumps(part.get("json")) for part in block["toolResult"]["content"]),
            block["toolResult"].get("status") == "error",
        )
        for block in request["messages"][-1]["content"] if "toolResult" in block
    }


def answers_are_right(first, second, third):
    """What the server's answers must say, each as its text and whether it was marked as an error."""
    assert first["t1"][0].startswith("etl/load.py\n41:") and not first["t1"][1], first
    assert "\n41\t" in first["t2"][0], first
    assert "no such file: .env" in second["t3"][0], second
    assert "did you mean `pattern`" in second["t4"][0], second
    assert second["t3"][1] and second["t4"][1], second
    assert '"status":"created"' in third["t5"][0].replace(" ", ""), third


def finding_is_stored(workspace, rule, caller):
    records = [json.loads(file.read_text()) for file in (workspace / ".mcp-workspace/output/findings").rglob("*.json")]
    found = [record for record in records if record["rule_id"] == rule]
    assert len(found) == 1, f"{len(found)} findings of {rule} among {len(records)}"
    assert (found[0]["caller"], found[0]["location"]["path"]) == (caller, "etl/load.py"), found
