//! One row of a table: a request, and who it is found to be.

use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, IDP, ISSUER, Issuer, Signer, claims};
use mcp_workspace_test_support::function::{Function, recorded};
use mcp_workspace_test_support::server::Server;

/// Who may do what in these tests. Whom it does not name can be known and still do nothing.
pub(crate) const POLICY: &str = r#"
version = 1

[[role]]
name    = "people"
callers = [
    "jwt:https://idp.example.com/realm#sub=anna",
    "jwt:https://idp.example.com/realm#sub=auth0|*",
    "jwt:https://idp.example.com/realm#sub=repo:org/name:*",
]
tools   = ["grep"]
read    = ["input/**"]

[[role]]
name    = "with-scope"
callers = ["jwt:https://idp.example.com/realm#sub=scoped"]
scopes  = ["workspace:read", "workspace:search"]
tools   = ["grep"]
read    = ["input/**"]

[[role]]
name    = "aws"
callers = [
    "arn:aws:iam::123456789012:role/reviewer",
    "arn:aws:iam::123456789012:role/gateway-*",
    "arn:aws:iam::123456789012:user/anna",
]
tools   = ["grep"]
read    = ["input/**"]

[[role]]
name    = "end-agents"
callers = ["arn:aws:iam::123456789012:role/gateway-*/on-behalf/review-*"]
tools   = ["grep"]
read    = ["input/**"]

[[delegate]]
callers = ["arn:aws:iam::123456789012:role/gateway-*"]
names   = ["review-*"]
"#;

/// The header of delegation.
pub(crate) const ON_BEHALF: &str = "x-mcp-workspace-on-behalf-of";

/// What is expected.
#[derive(Debug, Clone)]
enum Expected {
    /// The call ran for this caller, proven so.
    Served { caller: String, proof: &'static str },
    /// The caller is known and has no role.
    NoRole { caller: String },
    /// Nobody: this status and a message with these words.
    Refused { status: u16, says: String },
}

/// Where a request can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Both,
    /// Only Lambda can authorize by IAM.
    LambdaOnly,
    /// Only raw HTTP has several headers of one name.
    HttpOnly,
}

/// A request to both hosts, with a token that would do, until the row changes something.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    header: Value,
    claims: Value,
    signer: Signer,
    /// `Authorization` headers in place of the token's.
    authorization: Option<Vec<String>>,
    scheme: &'static str,
    tamper: Option<fn(&str) -> String>,
    headers: Vec<(String, String)>,
    query: String,
    authorizer: Option<Value>,
    on: On,
}

/// A request of `anna` with a good token, signed by RSA.
pub(crate) fn anna() -> Case {
    Case {
        header: json!({ "typ": "at+jwt", "alg": "RS256", "kid": "rsa" }),
        claims: claims("anna"),
        signer: Signer::Rsa("RS256"),
        authorization: None,
        scheme: "Bearer",
        tamper: None,
        headers: Vec::new(),
        query: String::new(),
        authorizer: None,
        on: On::Both,
    }
}

/// A request without credentials.
pub(crate) fn nobody() -> Case {
    Case { authorization: Some(Vec::new()), ..anna() }
}

/// A request that Lambda has authorized for this ARN.
pub(crate) fn signed_by(arn: &str) -> Case {
    authorized(json!({ "iam": { "accountId": "123456789012", "userArn": arn } }))
}

/// A request with this authorizer in its context, as only Lambda can write it.
pub(crate) fn authorized(authorizer: Value) -> Case {
    Case { authorizer: Some(authorizer), on: On::LambdaOnly, ..nobody() }
}

impl Case {
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Case {
        self.claims[name] = value.into();
        self
    }

    pub(crate) fn without(mut self, claim: &str) -> Case {
        self.claims.as_object_mut().unwrap().remove(claim);
        self
    }

    pub(crate) fn sub(self, sub: &str) -> Case {
        self.claim("sub", sub)
    }

    pub(crate) fn head(mut self, name: &str, value: impl Into<Value>) -> Case {
        self.header[name] = value.into();
        self
    }

    pub(crate) fn without_head(mut self, name: &str) -> Case {
        self.header.as_object_mut().unwrap().remove(name);
        self
    }

    /// Signs by this algorithm, named so in the header, with this key id.
    pub(crate) fn algorithm(self, name: &str, id: &str, signer: Signer) -> Case {
        Case { signer, ..self.head("alg", name).head("kid", id) }
    }

    pub(crate) fn signer(self, signer: Signer) -> Case {
        Case { signer, ..self }
    }

    pub(crate) fn scheme(self, scheme: &'static str) -> Case {
        Case { scheme, ..self }
    }

    /// Changes the finished token.
    pub(crate) fn tamper(self, tamper: fn(&str) -> String) -> Case {
        Case { tamper: Some(tamper), ..self }
    }

    /// These `Authorization` headers, in which `TOKEN` stands for the token.
    pub(crate) fn authorization(self, values: &[&str]) -> Case {
        let on = if values.len() > 1 { On::HttpOnly } else { self.on };
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Case { authorization: Some(values), on, ..self }
    }

    /// The token in the query and nowhere else.
    pub(crate) fn in_query(self) -> Case {
        let query = format!("access_token={}", self.token());
        Case { query, authorization: Some(Vec::new()), ..self }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Case {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn on_behalf_of(self, name: &str) -> Case {
        self.with_header(ON_BEHALF, name)
    }

    /// The call runs, for `jwt:ISSUER#sub=SUB`.
    pub(crate) fn passes(self) {
        let caller = format!("jwt:{ISSUER}#sub={}", self.claims["sub"].as_str().unwrap());
        self.passes_as(&caller, "jwt");
    }

    pub(crate) fn passes_as(self, caller: &str, proof: &'static str) {
        self.run(&Expected::Served { caller: caller.to_owned(), proof });
    }

    /// The caller is known by this id and may do nothing.
    pub(crate) fn has_no_role(self, caller: &str) {
        self.run(&Expected::NoRole { caller: caller.to_owned() });
    }

    /// 401 with a message that has these words.
    pub(crate) fn fails(self, says: &str) {
        self.run(&Expected::Refused { status: 401, says: says.to_owned() });
    }

    /// 403 with a message that has these words.
    pub(crate) fn forbidden(self, says: &str) {
        self.run(&Expected::Refused { status: 403, says: says.to_owned() });
    }

    fn token(&self) -> String {
        let token = IDP.sign(&self.header, &self.claims, &self.signer);
        self.tamper.map_or(token.clone(), |tamper| tamper(&token))
    }

    fn credentials(&self) -> Vec<String> {
        let token = self.token();
        match &self.authorization {
            None => vec![format!("{} {token}", self.scheme)],
            Some(values) => values.iter().map(|value| value.replace("TOKEN", &token)).collect(),
        }
    }

    fn run(self, expected: &Expected) {
        if self.on != On::HttpOnly {
            self.through_the_function_url(expected);
        }
        if self.on != On::LambdaOnly {
            self.over_http(expected);
        }
    }

    fn through_the_function_url(&self, expected: &Expected) {
        let mut event = recorded("url-tools-call");
        event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        if let Some(authorizer) = &self.authorizer {
            event["requestContext"]["authorizer"] = authorizer.clone();
        }
        for value in self.credentials() {
            event["headers"]["authorization"] = Value::from(value);
        }
        for (name, value) in &self.headers {
            event["headers"][name] = Value::from(value.as_str());
        }
        event["rawQueryString"] = Value::from(self.query.as_str());
        let jwks = IDP.jwks().to_string();
        let mut function = Function::start_with(POLICY, &settings(&jwks));
        let answer = function.invoke(&event).answer();
        let status = answer["statusCode"].as_u64().unwrap().try_into().unwrap();
        let challenge = answer["headers"]["www-authenticate"].as_str();
        check(expected, status, answer["body"].as_str().unwrap(), challenge, || function.audit());
    }

    fn over_http(&self, expected: &Expected) {
        let workspace = tempfile::tempdir().unwrap();
        let server = serve(workspace.path(), &IDP);
        let credentials = self.credentials();
        let mut headers = mcp_workspace_test_support::server::JSON_HEADERS.to_vec();
        headers.extend(credentials.iter().map(|value| ("Authorization", value.as_str())));
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let call =
            mcp_workspace_test_support::server::call_message("grep", json!({ "pattern": "TODO" }))
                .to_string();
        let separator = if self.query.is_empty() { "" } else { "?" };
        let line = format!("POST /mcp{separator}{}", self.query);
        let answer = server.request(&line, &headers, &call);
        let challenge =
            answer.head.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
        check(expected, answer.status, &answer.body, challenge, || server.audit());
    }
}

fn check(
    expected: &Expected,
    status: u16,
    body: &str,
    challenge: Option<&str>,
    audit: impl Fn() -> Value,
) {
    match expected {
        Expected::Served { caller, proof } => {
            assert_eq!(status, 200, "{body}");
            let record = audit();
            assert_eq!(record["caller"], caller.as_str(), "{record}");
            assert_eq!(record["proof"], *proof, "{record}");
            assert_eq!(record["outcome"], "ok", "{record}");
        }
        Expected::NoRole { caller } => {
            let record = audit();
            assert_eq!(record["caller"], caller.as_str(), "{record}");
            assert_eq!(record["outcome"], "unknown_tool", "{record}");
            assert_eq!(record["decision"], "deny", "{record}");
        }
        Expected::Refused { status: expected, says } => {
            assert_eq!(status, *expected, "{body}");
            assert!(body.contains(says.as_str()), "`{says}` is not in {body}");
            assert!(challenge.is_none_or(|text| text.starts_with("Bearer resource_metadata=\"")));
        }
    }
}

/// The settings of a function that believes the issuer of these keys.
pub(crate) fn settings(jwks: &str) -> [(&'static str, &str); 4] {
    [
        ("MCP_WORKSPACE_JWT_ISSUER", ISSUER),
        ("MCP_WORKSPACE_JWT_AUDIENCE", "https://workspace.example.com/mcp,api://workspace"),
        ("MCP_WORKSPACE_JWT_JWKS", jwks),
        ("MCP_WORKSPACE_JWT_ALGORITHMS", "RS256,PS256,ES256,ES384,EdDSA"),
    ]
}

/// A server that believes this issuer, by a file of its keys.
pub(crate) fn serve(workspace: &std::path::Path, issuer: &Issuer) -> Server {
    let input = workspace.join("input");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("main.rs"), "// TODO: say hello\n").unwrap();
    let (policy, keys) = (workspace.join("policy.toml"), workspace.join("jwks.json"));
    std::fs::write(&policy, POLICY).unwrap();
    std::fs::write(&keys, issuer.jwks().to_string()).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    Server::start(&[
        "--workspace",
        &text(workspace),
        "--policy",
        &text(&policy),
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwt-audience",
        "api://workspace",
        "--jwt-jwks-file",
        &text(&keys),
        "--jwt-algorithms",
        "RS256,PS256,ES256,ES384,EdDSA",
    ])
}

/// A test for each row.
macro_rules! rows {
    ($($name:ident: $row:expr;)*) => {
        $(
            #[test]
            fn $name() {
                $row;
            }
        )*
    };
}
pub(crate) use rows;
