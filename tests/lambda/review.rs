//! `/review/v1`: who may look and decide over the function URL, and what is recorded of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{Function, recorded};

const ACCOUNT: &str = "arn:aws:sts::123456789012:assumed-role";
const OTHER_ORIGIN: (&str, &str) = ("origin", "https://evil.example");
const JSON: (&str, &str) = ("content-type", "application/json");

const POLICY: &str = r#"
version = 1

[[delegate]]
callers = ["arn:aws:iam::123456789012:role/gateway"]
names   = ["anna"]

[[role]]
name    = "agent"
callers = ["arn:aws:iam::123456789012:role/agent"]
tools   = ["read_file", "write_finding", "propose_patch"]
read    = ["src/**"]
write   = ["output/findings/agent/**", "output/proposals/**"]
propose = ["src/**"]

[[role]]
name    = "reader"
callers = ["arn:aws:iam::123456789012:role/reader"]
tools   = ["read_file"]
read    = ["output/findings/**"]

[[role]]
name    = "elsewhere"
callers = ["arn:aws:iam::123456789012:role/elsewhere"]
decide  = ["docs/**"]

[[role]]
name    = "person"
callers = [
    "arn:aws:iam::123456789012:role/person",
    "arn:aws:iam::123456789012:role/gateway/on-behalf/anna",
]
read    = ["src/**", "output/findings/**"]
decide  = ["src/**"]
deny    = ["src/secret.txt"]
"#;

/// A function, with a finding and a proposal of the agent.
struct Place {
    function: Function,
    fingerprint: String,
    secret: String,
    proposal: String,
}

impl Place {
    fn new() -> Place {
        let mut function = Function::start_with(POLICY, &[]);
        let src = function.workspace().join("src");
        std::fs::create_dir(&src).unwrap();
        std::fs::write(src.join("main.py"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(src.join("secret.txt"), "hidden line\n").unwrap();
        let mut call = |tool: &str, arguments: Value| {
            let mut event = recorded("url-tools-call");
            event["requestContext"]["authorizer"]["iam"]["userArn"] =
                json!(format!("{ACCOUNT}/agent/1"));
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": tool, "arguments": arguments } });
            event["body"] = json!(message.to_string());
            let answer = function.invoke(&event).answer();
            function.audit();
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["result"]["isError"], json!(false), "{body}");
            body["result"]["structuredContent"].clone()
        };
        let mut finding = |path: &str| {
            let arguments = json!({ "rule_id": "rule", "severity": "high", "message": "look",
                "path": path, "start_line": 1 });
            call("write_finding", arguments)["fingerprint"].as_str().unwrap().to_owned()
        };
        let (fingerprint, secret) = (finding("src/main.py"), finding("src/secret.txt"));
        let proposal = call(
            "propose_patch",
            json!({ "title": "Change two",
                "edits": [{ "path": "src/main.py", "old_text": "two", "new_text": "2" }] }),
        );
        let proposal = proposal["id"].as_str().unwrap().to_owned();
        Place { function, fingerprint, secret, proposal }
    }

    fn ask(&mut self, who: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut event = recorded("url-tools-list");
        event["rawPath"] = json!(format!("/review/v1{path}"));
        event["rawQueryString"] = json!(query);
        event["requestContext"]["http"]["method"] = json!(method);
        event["body"] = json!(body);
        let headers_there = event["headers"].as_object_mut().unwrap();
        headers_there.remove("content-type");
        for (name, value) in headers {
            headers_there.insert((*name).to_owned(), json!(value));
        }
        if who.is_empty() {
            event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        } else {
            event["requestContext"]["authorizer"]["iam"]["userArn"] =
                json!(format!("{ACCOUNT}/{who}/session"));
        }
        let answer = self.function.invoke(&event).answer();
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["headers"].clone(),
            body,
        }
    }

    fn get(&mut self, who: &str, path: &str) -> Answer {
        self.ask(who, &format!("GET {path}"), &[], "")
    }

    fn decide(&mut self, who: &str, verb: &str, body: &str) -> Answer {
        let line = format!("POST /proposals/{}/{verb}", self.proposal);
        self.ask(who, &line, &[JSON], body)
    }

    fn source(&self) -> String {
        std::fs::read_to_string(self.function.workspace().join("src/main.py")).unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u64,
    headers: Value,
    body: Value,
}

/// Who asks for what; the status and the error's code, and whether it is recorded as denied. What
/// is not recorded is a request that reached no dispatcher.
type Case<'c> = (&'c str, &'c str, u64, &'c str, Option<(&'c str, &'c str)>);

#[test]
fn each_caller_sees_and_decides_what_its_roles_allow() {
    let mut place = Place::new();
    let (found, id) = (place.fingerprint.clone(), place.proposal.clone());
    let (finding, source) =
        (format!("GET /findings/{found}"), format!("GET /findings/{found}/source"));
    let proposal = format!("GET /proposals/{id}");
    let approve = format!("POST /proposals/{id}/approve");
    let unknown = format!("POST /proposals/{}/approve", "0".repeat(32));
    let secret = format!("GET /findings/{}/source", place.secret);
    let no_finding = format!("GET /findings/{}", "0".repeat(48));
    let cases: &[Case<'_>] = &[
        // Nobody, somebody without a role, and an agent that proposes.
        ("stranger", "GET ", 403, "denied", Some(("review", "deny"))),
        ("stranger", "GET /findings", 403, "denied", Some(("findings list", "deny"))),
        ("agent", "GET ", 403, "denied", Some(("review", "deny"))),
        ("agent", "GET /findings", 403, "denied", Some(("findings list", "deny"))),
        ("agent", &finding, 403, "denied", Some(("findings show", "deny"))),
        ("agent", "GET /proposals", 403, "denied", Some(("proposals list", "deny"))),
        ("agent", &proposal, 403, "denied", Some(("proposals show", "deny"))),
        ("agent", &approve, 403, "denied", Some(("proposals approve", "deny"))),
        // Who reads findings does not decide, and sees no sources or proposals that are hidden.
        ("reader", "GET ", 200, "", Some(("review", "allow"))),
        ("reader", "GET /findings", 200, "", Some(("findings list", "allow"))),
        ("reader", &finding, 200, "", Some(("findings show", "allow"))),
        ("reader", &source, 404, "not_found", Some(("findings source", "allow"))),
        ("reader", "GET /proposals", 200, "", Some(("proposals list", "allow"))),
        ("reader", &proposal, 404, "not_found", Some(("proposals show", "allow"))),
        ("reader", &approve, 403, "denied", Some(("proposals approve", "deny"))),
        // Who decides about something else.
        ("elsewhere", "GET /findings", 403, "denied", Some(("findings list", "deny"))),
        ("elsewhere", &finding, 403, "denied", Some(("findings show", "deny"))),
        ("elsewhere", &proposal, 404, "not_found", Some(("proposals show", "allow"))),
        ("elsewhere", &approve, 404, "not_found", Some(("proposals approve", "allow"))),
        // Who decides here.
        ("person", "GET ", 200, "", Some(("review", "allow"))),
        ("person", "GET /", 200, "", Some(("review", "allow"))),
        ("person", &source, 200, "", Some(("findings source", "allow"))),
        ("person", &secret, 404, "not_found", Some(("findings source", "allow"))),
        ("person", &proposal, 200, "", Some(("proposals show", "allow"))),
        ("person", &no_finding, 404, "not_found", Some(("findings show", "allow"))),
        ("person", &unknown, 404, "not_found", Some(("proposals approve", "allow"))),
        ("person", "GET /findings?severity=worst", 400, "invalid_argument", None),
        (
            "person",
            "GET /findings?path=a[",
            400,
            "invalid_argument",
            Some(("findings list", "allow")),
        ),
        ("person", "GET /findings?limit=3", 400, "invalid_argument", None),
        (
            "person",
            "GET /proposals?after=x",
            400,
            "invalid_argument",
            Some(("proposals list", "allow")),
        ),
        // What no id is leads nowhere.
        ("person", "GET /findings/..", 404, "not_found", None),
        ("person", "GET /findings/%2e%2e%2f%2e%2e%2fsrc", 404, "not_found", None),
        ("person", "GET /proposals/..%2f..%2fsrc", 404, "not_found", None),
        ("person", "GET /proposals/../../src/main.py", 404, "not_found", None),
        ("person", "POST /proposals/../approve", 404, "not_found", None),
        ("person", "GET /proposals/ABCDEF", 404, "not_found", None),
        ("person", "GET /nothing", 404, "not_found", None),
        ("person", "POST /proposals/00/destroy", 404, "not_found", None),
        // Each place has one method.
        ("person", "POST /findings", 405, "invalid_argument", None),
        ("person", "DELETE /proposals", 405, "invalid_argument", None),
        ("person", &approve.replace("POST", "GET"), 405, "invalid_argument", None),
        ("person", &approve.replace("POST", "PUT"), 405, "invalid_argument", None),
    ];
    for (who, line, status, code, audit) in cases {
        let answer = place.ask(who, line, &[JSON], "{}");
        assert_eq!(answer.status, *status, "{who} {line}: {answer:?}");
        assert_eq!(
            answer.body["error"]["code"].as_str().unwrap_or_default(),
            *code,
            "{who} {line}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
        if let Some((tool, decision)) = audit {
            let record = place.function.audit();
            let caller = format!("arn:aws:iam::123456789012:role/{who}");
            assert_eq!(
                [&record["caller"], &record["tool"], &record["decision"], &record["proof"]],
                [&json!(caller), &json!(tool), &json!(decision), &json!("iam")],
                "{who} {line}: {record}"
            );
            let outcome = if code.is_empty() { "ok" } else { code };
            assert_eq!(record["outcome"], outcome, "{who} {line}");
            assert!(record["request_id"].as_str().unwrap().starts_with("00000000-"), "{record}");
        }
    }
    assert_eq!(place.get("", "/findings").status, 401);
    assert_eq!(place.source(), "one\ntwo\nthree\n");
    // Nothing is decided, and nothing but what is above was recorded.
    assert_eq!(
        place.get("person", &format!("/proposals/{id}")).body["proposal"]["state"],
        "proposed"
    );
    assert_eq!(place.function.audit()["tool"], "proposals show");
}

#[test]
fn no_page_of_another_origin_and_no_form_decides() {
    let mut place = Place::new();
    let line = format!("POST /proposals/{}/approve", place.proposal);
    let domain = recorded("url-tools-list")["requestContext"]["domainName"].clone();
    let own = format!("https://{}", domain.as_str().unwrap());
    let large = json!({ "reason": "x".repeat(70_000) }).to_string();
    let long = json!({ "reason": "x".repeat(5_000) }).to_string();
    for (headers, body, status, code) in [
        (vec![JSON, OTHER_ORIGIN], "{}", 403, "denied"),
        (vec![JSON, ("origin", "null")], "{}", 403, "denied"),
        (vec![JSON, ("origin", &own.replace("https", "http"))], "{}", 403, "denied"),
        (vec![JSON, ("host", "evil.example")], "{}", 403, "denied"),
        (vec![], "{}", 415, "invalid_argument"),
        (vec![("content-type", "text/plain")], "{}", 415, "invalid_argument"),
        (
            vec![("content-type", "application/x-www-form-urlencoded")],
            "reason=x",
            415,
            "invalid_argument",
        ),
        (vec![JSON], "", 400, "invalid_argument"),
        (vec![JSON], "[]", 400, "invalid_argument"),
        (vec![JSON], "{\"reason\": 7}", 400, "invalid_argument"),
        (vec![JSON], "{\"force\": true}", 400, "invalid_argument"),
        (vec![JSON], &large, 413, "too_large"),
        (vec![JSON], &long, 400, "invalid_argument"),
    ] {
        let answer = place.ask("person", &line, &headers, body);
        assert_eq!(answer.status, status, "{headers:?} {:.40}: {answer:?}", body);
        assert_eq!(answer.body["error"]["code"], code, "{headers:?} {:.40}", body);
    }
    assert_eq!(place.get("person", "/findings").status, 200);
    let refused = place.ask("person", "GET /findings", &[OTHER_ORIGIN], "");
    assert_eq!(refused.status, 403);
    // The URL's own page may, and a type may have parameters.
    let json = ("content-type", "application/json; charset=utf-8");
    let answer = place.ask("person", &line, &[json, ("origin", &own)], "{}");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_proposal_is_approved_applied_and_reverted_by_the_caller_that_iam_names() {
    let mut place = Place::new();
    let early = place.decide("person", "apply", "{}");
    assert_eq!((early.status, &early.body["error"]["code"]), (409, &json!("conflict")));
    assert_eq!(place.function.audit()["outcome"], "conflict");
    for (verb, action) in [("approve", "approved"), ("apply", "applied"), ("revert", "reverted")] {
        let answer = place.decide("person", verb, "{\"reason\": \"because\"}");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["decision"]["action"], action);
        assert_eq!(answer.body["decision"]["caller"], "arn:aws:iam::123456789012:role/person");
        let record = place.function.audit();
        assert_eq!(record["tool"], format!("proposals {verb}"));
        assert_eq!(record["path"], place.proposal.as_str());
        assert_eq!((&record["role"], &record["rule"]), (&json!("person"), &json!("decide")));
        let expected = if verb == "apply" { "one\n2\nthree\n" } else { "one\ntwo\nthree\n" };
        assert_eq!(place.source(), expected);
    }
    let shown = place.get("person", &format!("/proposals/{}", place.proposal.get(..8).unwrap()));
    assert_eq!(shown.body["proposal"]["state"], "reverted");
    assert_eq!(shown.body["proposal"]["history"][0]["reason"], "because");
}

#[test]
fn sources_that_have_changed_are_a_conflict_that_is_told() {
    let mut place = Place::new();
    assert_eq!(place.decide("person", "approve", "{}").status, 200);
    let file = place.function.workspace().join("src/main.py");
    std::fs::write(file, "something else\n").unwrap();
    let answer = place.decide("person", "apply", "{}");
    assert_eq!(answer.status, 409);
    assert!(
        answer.body["error"]["message"].as_str().unwrap().contains("src/main.py"),
        "{answer:?}"
    );
    assert_eq!(place.source(), "something else\n");
    // A list tells what was decided; whether it still fits is told of the one that is opened.
    let listed = place.get("person", "/proposals");
    assert_eq!(listed.body["proposals"][0]["state"], "approved");
    let path = format!("/proposals/{}", place.proposal);
    let opened = place.get("person", &path);
    assert_eq!(opened.body["proposal"]["state"], "conflicted");
    // An approval is of what was looked at.
    assert_eq!(opened.body["digest"], opened.body["proposal"]["history"][0]["covers"]);
    let recovered = place.decide("person", "recover", "{}");
    assert_eq!(recovered.status, 409, "nothing was interrupted: {recovered:?}");
    let tools = [(); 5].map(|()| place.function.audit()["tool"].clone());
    assert_eq!(tools[4], "proposals recover", "{tools:?}");
}

#[test]
fn who_is_spoken_for_decides_in_its_own_name() {
    let mut place = Place::new();
    let line = format!("POST /proposals/{}/reject", place.proposal);
    let header = "x-mcp-workspace-on-behalf-of";
    let reason = "{\"reason\": \"no\"}";
    let refused = place.ask("gateway", &line, &[JSON, (header, "bob")], reason);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(place.ask("gateway", &line, &[JSON], reason).status, 403, "the gateway decides");
    assert_eq!(place.function.audit()["decision"], "deny");
    let answer = place.ask("gateway", &line, &[JSON, (header, "anna")], reason);
    assert_eq!(answer.status, 200, "{answer:?}");
    let anna = "arn:aws:iam::123456789012:role/gateway/on-behalf/anna";
    assert_eq!(answer.body["decision"]["caller"], anna);
    let record = place.function.audit();
    assert_eq!((&record["caller"], &record["proof"]), (&json!(anna), &json!("delegation")));
}

#[test]
fn what_people_do_is_no_tool() {
    let mut place = Place::new();
    let mut event = recorded("url-tools-list");
    event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(format!("{ACCOUNT}/person/1"));
    let answer = place.function.invoke(&event).answer();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["result"]["tools"], json!([]), "the role lists none, and decides none into it");
    let catalog: Vec<&str> =
        mcp_workspace_tools::tool::catalog().iter().map(|entry| entry.name).collect();
    for name in ["review", "findings list", "proposals approve", "approve", "proposals_apply"] {
        assert!(!catalog.contains(&name));
        let mut event = recorded("url-tools-call");
        event["requestContext"]["authorizer"]["iam"]["userArn"] =
            json!(format!("{ACCOUNT}/person/1"));
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": name, "arguments": { "path": place.proposal } } });
        event["body"] = json!(message.to_string());
        place.function.invoke(&event).answer();
        assert_eq!(place.function.audit()["outcome"], "unknown_tool", "{name}");
    }
    assert_eq!(place.get("person", "/proposals").body["proposals"][0]["state"], "proposed");
}

#[test]
fn many_findings_come_in_pages_each_once() {
    let mut place = Place::new();
    let folder = place.function.workspace().join("output/findings/scanner");
    std::fs::create_dir_all(&folder).unwrap();
    // Twice as long in Lambda's answer: each is a quoted quote there.
    let message = "\"".repeat(4_000);
    let all: BTreeSet<String> = (0..1_500).map(|number| format!("{number:048x}")).collect();
    for fingerprint in &all {
        let finding = json!({
            "format": 1, "id": format!("scanner:{fingerprint}"), "fingerprint": fingerprint,
            "rule_id": "scan", "severity": "low", "message": message, "agent": "scanner",
            "caller": "scanner", "created": "2026-01-02T03:04:05Z",
        });
        std::fs::write(folder.join(format!("{fingerprint}.json")), finding.to_string()).unwrap();
    }
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    let (mut seen, mut pages, mut damaged) = (BTreeSet::new(), 0, 0);
    let mut after = String::new();
    loop {
        let answer = place.get("reader", &format!("/findings?rule=scan&{after}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let record = place.function.audit();
        let page = answer.body;
        pages += 1;
        damaged += page["omissions"]["named"].as_array().map_or(0, Vec::len);
        for finding in page["findings"].as_array().unwrap() {
            let fingerprint = finding["fingerprint"].as_str().unwrap().to_owned();
            assert!(seen.insert(fingerprint), "twice: {finding}");
        }
        assert!(record["files_touched"].as_u64().unwrap() <= 400, "{record}");
        let Some(next) = page["next"].as_str() else { break };
        after = format!("after={next}");
    }
    assert_eq!((seen == all, damaged), (true, 1));
    assert!(pages >= 5, "{pages} pages");
}
