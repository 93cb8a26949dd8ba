//! An environment that Lambda gives several invocations at a time.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use mcp_workspace_test_support::function::{
    PATIENCE, POLICY, RuntimeApi, accept, command, recorded,
};

#[test]
fn invocations_are_served_at_once_each_as_its_own_caller() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir(workspace.path().join("input")).unwrap();
    let policy = workspace.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    // An issuer whose keys do not come: who waits for them waits as long as this test likes.
    let issuer = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = command(&api, workspace.path(), Some(&policy))
        .env("AWS_LAMBDA_MAX_CONCURRENCY", "2")
        .env("MCP_WORKSPACE_JWT_ISSUER", "https://idp.example.com")
        .env("MCP_WORKSPACE_JWT_AUDIENCE", "https://workspace.example.com/mcp")
        .env("MCP_WORKSPACE_JWT_JWKS_URL", format!("http://{}/", issuer.local_addr().unwrap()))
        .spawn()
        .unwrap();
    let [mut slow, mut quick] = [(); 2].map(|()| RuntimeApi::accept(&api));

    let mut waiting = recorded("url-tools-list");
    waiting["requestContext"]["authorizer"] = Value::Null;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"new"}"#);
    waiting["headers"]["authorization"] = Value::from(format!("Bearer {header}.e30.AA"));
    slow.give("slow", &waiting.to_string(), None, PATIENCE);
    let keys = accept(&issuer);

    // The other connection goes on meanwhile, each time as somebody else.
    let mut stranger = recorded("url-tools-list");
    stranger["requestContext"]["authorizer"]["iam"]["userArn"] =
        json!("arn:aws:sts::999999999999:assumed-role/reviewer/review-7");
    for (id, event, tools) in [("first", &recorded("url-tools-list"), 4), ("second", &stranger, 0)]
    {
        quick.give(id, &event.to_string(), None, PATIENCE);
        let handed = quick.take();
        assert_eq!(handed.to, format!("invocation/{id}/response"));
        let answer = handed.answer();
        let list: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(list["result"]["tools"].as_array().unwrap().len(), tools, "{id}");
    }
    assert!(!slow.has_something(), "it did not wait for its keys: nothing was shown");

    drop((keys, issuer));
    let handed = slow.take();
    assert_eq!(handed.to, "invocation/slow/response");
    let status = handed.answer()["statusCode"].as_u64().unwrap();
    assert!((401..600).contains(&status), "without keys the token proved somebody: {status}");
    child.kill().unwrap();
    child.wait().unwrap();
}
