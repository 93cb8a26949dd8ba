//! Settings under which nobody should be believed start no server.

use std::process::Output;

use serde_json::json;

use crate::issuer::{AUDIENCE, IDP, ISSUER};
use mcp_workspace_test_support::function::{Function, recorded};
use mcp_workspace_test_support::server::command;

/// `serve` with these arguments, which must not start.
fn refused(arguments: &[&str]) -> String {
    let Output { status, stderr, .. } =
        command().args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).output().unwrap();
    assert_eq!(status.code(), Some(2), "{arguments:?}");
    String::from_utf8(stderr).unwrap()
}

/// The same with an issuer, an audience and keys.
fn refused_with(arguments: &[&str]) -> String {
    let jwks = IDP.jwks().to_string();
    let mut all =
        vec!["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwt-jwks", jwks.as_str()];
    all.extend_from_slice(arguments);
    refused(&all)
}

#[test]
fn all_of_issuer_audience_and_keys_are_needed() {
    let jwks = IDP.jwks().to_string();
    let told = refused(&["--jwt-issuer", ISSUER]);
    assert!(told.contains("--jwt-audience") && told.contains("--jwt-jwks-url"), "{told}");
    let told = refused(&["--jwt-jwks", &jwks, "--jwt-audience", AUDIENCE]);
    assert!(told.contains("MCP_WORKSPACE_JWT_ISSUER"), "{told}");
    let told = refused(&["--jwt-issuer", ISSUER, "--jwt-jwks", &jwks, "--jwt-audience", ""]);
    assert!(told.contains("MCP_WORKSPACE_JWT_AUDIENCE"), "{told}");
}

#[test]
fn only_asymmetric_algorithms_can_be_chosen() {
    for algorithm in ["HS256", "RS256,HS512"] {
        let told = refused_with(&["--jwt-algorithms", algorithm]);
        assert!(told.contains("asymmetric"), "{told}");
    }
    for algorithm in ["none", "RS1", "ES256K"] {
        let told = refused_with(&["--jwt-algorithms", algorithm]);
        assert!(told.contains("is no algorithm of tokens"), "{told}");
    }
}

#[test]
fn keys_come_from_one_place_that_can_be_trusted() {
    let told = refused_with(&["--jwt-jwks-url", "https://idp.example.com/keys"]);
    assert!(told.contains("twice"), "{told}");
    let keys = |keys: &str| {
        refused(&["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwt-jwks", keys])
    };
    assert!(keys("http://idp.example.com/keys").contains("not https"));
    assert!(keys("/no/such/file").contains("/no/such/file"));
    assert!(keys("{\"keys\":[]}").contains("no key that can be used"));
    let secret = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }] });
    assert!(keys(&secret.to_string()).contains("no key that can be used"));
    let mut private = IDP.es256_public("a");
    private["d"] = "AAAA".into();
    assert!(keys(&json!({ "keys": [private] }).to_string()).contains("private key"));
}

#[test]
fn the_skew_is_bounded_and_names_are_exact() {
    assert!(refused_with(&["--jwt-clock-skew", "301"]).contains("301"));
    assert!(refused_with(&["--jwt-resource", "workspace"]).contains("MCP endpoint"));
    assert!(refused_with(&["--delegation-header", "authorization"]).contains("means something"));
    let jwks = IDP.jwks().to_string();
    for issuer in ["idp.example.com", "http://idp.example.com", "https://idp.example.com/*"] {
        let told =
            refused(&["--jwt-issuer", issuer, "--jwt-audience", AUDIENCE, "--jwt-jwks", &jwks]);
        assert!(told.contains("no https URL"), "{told}");
    }
}

#[test]
fn static_tokens_and_an_issuer_do_not_go_together() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let told = refused_with(&["--tokens", file.path().to_str().unwrap()]);
    assert!(told.contains("ignore a static token"), "{told}");
}

#[test]
fn empty_settings_of_a_template_are_none() {
    let names = [
        "JWT_ISSUER",
        "JWT_AUDIENCE",
        "JWT_JWKS",
        "JWT_JWKS_FILE",
        "JWT_JWKS_URL",
        "JWT_ALGORITHMS",
        "JWT_RESOURCE",
        "DELEGATION_HEADER",
    ];
    let names = names.map(|name| format!("MCP_WORKSPACE_{name}"));
    let settings: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let mut function =
        Function::start_with(mcp_workspace_test_support::function::POLICY, &settings);
    let answer = function.invoke(&recorded("url-tools-call")).answer();
    assert_eq!(answer["statusCode"], 200, "{answer}");
}

#[test]
fn policy_explain_decides_with_scopes() {
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), crate::case::POLICY).unwrap();
    let explain = |scopes: &[&str]| {
        let mut command = command();
        command.args(["policy", "explain", "--tool", "grep", "--path", "input/main.rs"]);
        command.args(["--caller", "jwt:https://idp.example.com/realm#sub=scoped", "--policy"]);
        command.arg(policy.path());
        command.args(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = explain(&["workspace:read"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("such as `workspace:read workspace:search`"), "{told}");
    let (code, told) = explain(&["workspace:read", "workspace:search"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("with the scopes `workspace:read workspace:search`"), "{told}");
}
