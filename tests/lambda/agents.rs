//! AgentCore Gateway and Bedrock agents.

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{EVERY_EVENT, Function, POLICY, recorded};

fn function() -> Function {
    Function::start_with(POLICY, &[EVERY_EVENT])
}

/// The JSON inside an action group's answer.
fn body(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[test]
fn the_gateway_calls_a_tool_by_its_name_after_the_targets() {
    let mut function = function();
    // One of its values is no string; that must not cost the call.
    let context = recorded("gateway-client-context");
    let answer = function.invoke_with(&recorded("gateway"), &context.to_string()).answer();
    assert_eq!(answer["matches"][0]["path"], "input/main.rs", "{answer}");
    assert_eq!(answer["matches"].as_array().unwrap().len(), 1);
    let record = function.audit();
    assert_eq!(record["caller"], "agentcore:workspace-gw-a1b2c3d4e5/TGT1234567");
    assert_eq!(record["proof"], "gateway");
    assert_eq!(record["host"], "agentcore-gateway");
    assert_eq!(record["request_id"], "00000000-0000-4000-8000-000000000001");
}

#[test]
fn what_the_gateway_hands_on_is_no_text_and_costs_no_call() {
    let mut function = function();
    // Present even when it is empty.
    for handed_on in [json!({}), json!({ "x-agent": ["one", "two"], "n": 1 }), json!(null)] {
        let mut context = recorded("gateway-client-context");
        for name in ["Headers", "QueryParameters"] {
            context["custom"][format!("bedrockAgentCorePropagated{name}")] = handed_on.clone();
        }
        let answer = function.invoke_with(&recorded("gateway"), &context.to_string()).answer();
        assert_eq!(answer["matches"][0]["path"], "input/main.rs", "{answer}");
    }
}

#[test]
fn the_gateways_model_reads_what_was_wrong() {
    let mut function = function();
    let mut context = recorded("gateway-client-context");
    let wrong = json!({ "patern": "TODO" });
    let answer = function.invoke_with(&wrong, &context.to_string()).answer();
    assert_eq!(answer["error"]["code"], "invalid_argument");
    assert!(answer["error"]["hint"].as_str().unwrap().contains("`pattern`"));
    context["custom"]["bedrockAgentCoreToolName"] = Value::from("workspace___delete");
    let answer = function.invoke_with(&json!({}), &context.to_string()).answer();
    assert_eq!(answer["error"]["code"], "unknown_tool");
    context["custom"]["bedrockAgentCoreGatewayId"] = Value::from("other-gw");
    let answer = function.invoke_with(&recorded("gateway"), &context.to_string()).answer();
    assert_eq!(answer["error"]["code"], "unknown_tool");
}

#[test]
fn a_models_arguments_cannot_pass_for_another_kind_of_event() {
    let mut function = function();
    let context = recorded("gateway-client-context").to_string();
    for disguised in ["url-tools-call", "action-group-function"] {
        let answer = function.invoke_with(&recorded(disguised), &context).answer();
        assert_eq!(answer["error"]["code"], "invalid_argument", "{answer}");
        assert_eq!(function.audit()["proof"], "gateway");
    }
    // A Gateway that does not say which it is, or which tool, is nobody.
    for missing in
        ["bedrockAgentCoreToolName", "bedrockAgentCoreGatewayId", "bedrockAgentCoreTargetId"]
    {
        let mut context = recorded("gateway-client-context");
        context["custom"].as_object_mut().unwrap().remove(missing);
        let handed = function.invoke_with(&recorded("url-tools-call"), &context.to_string());
        assert!(handed.fault("UnknownEvent").contains(missing));
    }
}

#[test]
fn a_function_of_an_action_group_answers_in_its_form() {
    let mut function = function();
    let answer = function.invoke(&recorded("action-group-function")).answer();
    let text = &answer["response"]["functionResponse"]["responseBody"]["TEXT"]["body"];
    assert_eq!(body(text)["matches"][0]["line"], 2);
    let expected = json!({
        "messageVersion": "1.0",
        "response": {
            "actionGroup": "workspace",
            "function": "grep",
            "functionResponse": { "responseBody": { "TEXT": { "body": text } } },
        },
        "sessionAttributes": { "ticket": "42" },
        "promptSessionAttributes": { "tone": "short" },
    });
    assert_eq!(answer, expected);
    let record = function.audit();
    assert_eq!(record["caller"], "bedrock-agent:AGENT12345/TSTALIASID");
    assert_eq!(record["proof"], "agent");
    assert_eq!(record["host"], "bedrock-agent");
}

#[test]
fn a_wrong_argument_goes_back_to_the_agents_model() {
    let mut function = function();
    let mut event = recorded("action-group-function");
    event["parameters"][1]["value"] = Value::from("many");
    let answer = function.invoke(&event).answer();
    let response = &answer["response"]["functionResponse"];
    assert_eq!(response["responseState"], "REPROMPT");
    let error = &body(&response["responseBody"]["TEXT"]["body"])["error"];
    assert_eq!(error["code"], "invalid_argument");
    assert!(error["message"].as_str().unwrap().contains("`limit`"), "{error}");
    // Any other error is an answer: the arguments were right.
    let mut event = recorded("action-group-function");
    event["function"] = Value::from("read_file");
    event["parameters"] = json!([{ "name": "path", "type": "string", "value": "input/.env" }]);
    let answer = function.invoke(&event).answer();
    let response = &answer["response"]["functionResponse"];
    assert_eq!(response.get("responseState"), None);
    assert_eq!(body(&response["responseBody"]["TEXT"]["body"])["error"]["code"], "not_found");
}

#[test]
fn an_operation_of_an_action_group_answers_in_its_form() {
    let mut function = function();
    let mut event = recorded("action-group-openapi");
    let answer = function.invoke(&event).answer();
    let text = &answer["response"]["responseBody"]["application/json"]["body"];
    assert_eq!(body(text)["status"], "created");
    let expected = json!({
        "messageVersion": "1.0",
        "response": {
            "actionGroup": "workspace",
            "apiPath": "/write_finding",
            "httpMethod": "POST",
            "httpStatusCode": 200,
            "responseBody": { "application/json": { "body": text } },
        },
        "sessionAttributes": { "ticket": "42" },
        "promptSessionAttributes": { "tone": "short" },
    });
    assert_eq!(answer, expected);
    event["requestBody"]["content"]["application/json"]["properties"][1]["value"] =
        Value::from("dreadful");
    let answer = function.invoke(&event).answer();
    assert_eq!(answer["response"]["httpStatusCode"], 400);
    let text = &answer["response"]["responseBody"]["application/json"]["body"];
    assert_eq!(body(text)["error"]["code"], "invalid_argument");
}

#[test]
fn an_agent_that_is_not_named_is_nobody() {
    let mut function = function();
    for agent in [json!({}), json!({ "id": "AGENT12345" }), json!({ "id": "A/B", "alias": "C" })] {
        let mut event = recorded("action-group-function");
        event["agent"] = agent;
        function.invoke(&event).fault("NoCaller");
    }
}
