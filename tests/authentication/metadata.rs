//! What a client that has no token finds: where to get one, and only where there is one to get.

use serde_json::{Value, json};

use crate::case::{POLICY, serve, settings};
use crate::issuer::{AUDIENCE, IDP, ISSUER, Signer, claims};
use mcp_workspace_test_support::function::{Function, recorded};
use mcp_workspace_test_support::server::{JSON_HEADERS, Server, call_message, command};

const PATHS: [&str; 2] =
    ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];

/// A GET without a caller, at the function URL.
fn get(function: &mut Function, path: &str) -> Value {
    let mut event = recorded("url-tools-list");
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    event["requestContext"]["http"]["method"] = Value::from("GET");
    event["rawPath"] = Value::from(path);
    event["body"] = Value::Null;
    function.invoke(&event).answer()
}

/// A tool's call with this `Authorization`, at the function URL.
fn post(function: &mut Function, authorization: Option<String>) -> Value {
    let mut event = recorded("url-tools-call");
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    if let Some(value) = authorization {
        event["headers"]["authorization"] = Value::from(value);
    }
    function.invoke(&event).answer()
}

fn token(sub: &str, exp: i64) -> String {
    let mut claims = claims(sub);
    claims["exp"] = Value::from(exp);
    format!(
        "Bearer {}",
        IDP.sign(&json!({ "alg": "ES256", "kid": "es256" }), &claims, &Signer::Es256)
    )
}

fn expected(resource: &str) -> Value {
    json!({
        "resource": resource,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "resource_name": "mcp-workspace",
        "scopes_supported": ["workspace:read", "workspace:search"],
    })
}

#[test]
fn the_function_says_where_its_tokens_come_from() {
    let jwks = IDP.jwks().to_string();
    let mut function = Function::start_with(POLICY, &settings(&jwks));
    for path in PATHS {
        let answer = get(&mut function, path);
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(answer["headers"]["content-type"], "application/json");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, expected(AUDIENCE));
    }
    let elsewhere = get(&mut function, "/.well-known/oauth-authorization-server");
    assert_eq!(elsewhere["statusCode"], 401, "{elsewhere}");
}

#[test]
fn without_an_audience_that_is_a_url_the_resource_is_the_functions_own() {
    let jwks = IDP.jwks().to_string();
    let own = "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws/mcp";
    for (more, resource) in [
        (("MCP_WORKSPACE_JWT_RESOURCE", ""), own),
        (
            ("MCP_WORKSPACE_JWT_RESOURCE", "https://files.example.com/mcp"),
            "https://files.example.com/mcp",
        ),
    ] {
        let mut all = settings(&jwks).to_vec();
        all[1] = ("MCP_WORKSPACE_JWT_AUDIENCE", "api://workspace");
        all.push(more);
        let mut function = Function::start_with(POLICY, &all);
        let answer = get(&mut function, PATHS[1]);
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, expected(resource));
    }
}

#[test]
fn a_refusal_says_where_to_look_and_what_was_wrong() {
    let jwks = IDP.jwks().to_string();
    let mut function = Function::start_with(POLICY, &settings(&jwks));
    let metadata = "Bearer resource_metadata=\"https://workspace.example.com/.well-known/oauth-protected-resource/mcp\"";
    for (authorization, status, rest) in [
        (None, 401, ", scope=\"workspace:read workspace:search\""),
        (
            Some(token("anna", 1)),
            401,
            ", error=\"invalid_token\", error_description=\"the token has expired\", scope=\"workspace:read workspace:search\"",
        ),
        (
            Some(token("scoped", crate::issuer::now() + 60)),
            403,
            ", error=\"insufficient_scope\", scope=\"workspace:read workspace:search\"",
        ),
    ] {
        let answer = post(&mut function, authorization);
        assert_eq!(answer["statusCode"], status, "{answer}");
        assert_eq!(answer["headers"]["www-authenticate"], format!("{metadata}{rest}"));
    }
}

#[test]
fn serve_says_it_too() {
    let workspace = tempfile::tempdir().unwrap();
    let server = serve(workspace.path(), &IDP);
    assert!(server.banner.contains("access tokens"), "{}", server.banner);
    for path in PATHS {
        let answer = server.request(&format!("GET {path}"), &[], "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json(), expected(AUDIENCE));
    }
    let refused = server.post(&call_message("grep", json!({})), &[]);
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("resource_metadata=\"https://workspace.example.com/"));
}

#[test]
fn where_iam_proves_callers_nothing_speaks_of_oauth() {
    let mut function = Function::start();
    for path in PATHS {
        assert_eq!(get(&mut function, path)["statusCode"], 404);
    }
    let answer = post(&mut function, None);
    assert_eq!(answer["statusCode"], 401);
    assert_eq!(answer["headers"]["www-authenticate"], Value::Null);
}

#[test]
fn with_static_tokens_or_none_nothing_speaks_of_oauth() {
    let workspace = tempfile::tempdir().unwrap();
    let made = command().args(["token", "ci-bot"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let tokens = workspace.path().join("tokens.txt");
    std::fs::write(&tokens, made.lines().nth(4).unwrap()).unwrap();
    let root = workspace.path().to_str().unwrap();
    let with = Server::start(&["--workspace", root, "--tokens", tokens.to_str().unwrap()]);
    let without = Server::over(workspace.path());
    for path in PATHS {
        let line = format!("GET {path}");
        assert_eq!(with.request(&line, &[], "").status, 404);
        assert_eq!(with.request(&line, &JSON_HEADERS, "").status, 404);
        assert_eq!(without.request(&line, &[], "").status, 404);
    }
    let refused = with.post(&call_message("list_dir", json!({})), &[]);
    assert_eq!(refused.status, 401);
    let head = refused.head.to_lowercase();
    assert!(head.contains("www-authenticate: bearer\r\n"), "{head}");
    assert!(!head.contains("resource_metadata"), "{head}");
}

#[test]
fn a_static_token_speaks_for_nobody_else() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let list = call_message("list_dir", json!({}));
    assert_eq!(server.post(&list, &[]).status, 200);
    let refused = server.post(&list, &[(crate::case::ON_BEHALF, "review-7")]);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("`local` may not speak for `review-7`"), "{}", refused.body);
}
