//! Any bytes as credentials: nobody is proven but by a token that the issuer has signed, and only
//! the caller whom it names, for the time and the audience that it names.
//!
//! An input that begins with `{` is a token's header and its claims, a line each. Both are signed
//! here as they are written, so that what is behind the signature is reached. Any other input is
//! lines of `Authorization` headers.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use mcp_workspace_call::caller::delegation::Delegation;
use mcp_workspace_call::caller::jwt::{Jwt, Settings, Source};
use mcp_workspace_call::caller::{Caller, Proof};
use mcp_workspace_tools::policy::Policy;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

const ISSUER: &str = "https://idp.example.com/realm";
const AUDIENCE: &str = "https://files.example.com/mcp";
const SKEW: u64 = 60;
const POLICY: &str = r#"
version = 1

[[role]]
name    = "everybody"
callers = ["*"]
tools   = ["read_file"]
read    = ["**"]

[[delegate]]
callers = ["arn:aws:iam::123456789012:role/gateway"]
names   = ["*"]
"#;

struct Resource {
    jwt: Jwt,
    key: Ed25519KeyPair,
    delegation: Delegation,
    policy: Policy,
    runtime: tokio::runtime::Runtime,
}

static RESOURCE: LazyLock<Resource> = LazyLock::new(|| {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    let part = URL_SAFE_NO_PAD.encode([7; 32]);
    // A second key, with which nobody has signed anything.
    let keys = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"ours","x":"{public}"}},
            {{"kty":"EC","crv":"P-256","kid":"other","x":"{part}","y":"{part}"}}]}}"#
    );
    let jwt = Jwt::new(Settings {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        algorithms: ["EdDSA", "ES256", "RS256"].map(|name| name.parse().unwrap()).to_vec(),
        clock_skew: Duration::from_secs(SKEW),
        resource: None,
        keys: Source::Inline(keys),
    });
    Resource {
        jwt: jwt.unwrap(),
        key,
        delegation: Delegation::by(HeaderName::from_static(Delegation::HEADER)),
        policy: Policy::parse(POLICY, "fuzz.toml").unwrap(),
        runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
    }
});

/// That a good token is believed, or nothing here would mean anything.
static GOOD: LazyLock<()> = LazyLock::new(|| {
    let claims =
        format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"anna","exp":4102444800}}"#);
    let written =
        [r#"{"alg":"EdDSA"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let caller = identify_token(&written, RESOURCE.key.sign(written.as_bytes()).as_ref());
    assert_eq!(*caller.unwrap().id, format!("jwt:{ISSUER}#sub=anna"));
});

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    LazyLock::force(&GOOD);
    if !bytes.starts_with(b"{") {
        let headers = headers(bytes.split(|byte| *byte == b'\n'));
        assert!(identify(&headers).is_none(), "nobody has signed anything");
        return;
    }
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let written = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = RESOURCE.key.sign(written.as_bytes());
    let signature = signature.as_ref();
    if let Some(caller) = identify_token(&written, signature) {
        check(&caller, header, claims);
    }
    // Any other bit of it, none of it, and the same under other words.
    let at = written.len() % signature.len();
    let mut wrong = signature.to_vec();
    wrong[at] ^= 1 << (written.len() % 8);
    assert!(identify_token(&written, &wrong).is_none());
    assert!(identify_token(&written, &[]).is_none());
    assert!(identify_token(&written, &signature[..at]).is_none());
    let others = URL_SAFE_NO_PAD.encode([claims, b" "].concat());
    let others = format!("{}.{others}", URL_SAFE_NO_PAD.encode(header));
    assert!(identify_token(&others, signature).is_none());
}

/// Compares a caller with the token that has proven it.
fn check(caller: &Caller, header: &[u8], claims: &[u8]) {
    let [header, claims] =
        [header, claims].map(|part| serde_json::from_slice::<Value>(part).unwrap());
    assert_eq!((&header["alg"], caller.proof), (&Value::from("EdDSA"), Proof::Jwt));
    assert!(header["crit"].is_null() && header.get("b64").is_none(), "{header}");
    assert_eq!(claims["iss"], ISSUER);
    let for_us = |audience: &Value| *audience == AUDIENCE;
    let audience = &claims["aud"];
    assert!(for_us(audience) || audience.as_array().unwrap().iter().any(for_us), "{claims}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (late, early) = ((now - SKEW - 1) as f64, (now + SKEW + 1) as f64);
    assert!(claims["exp"].as_f64().unwrap() >= late, "{claims}");
    assert!(claims["nbf"].as_f64().is_none_or(|begin| begin <= early), "{claims}");
    assert!(claims.get("cnf").is_none(), "{claims}");
    let subject = claims["sub"].as_str().unwrap();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@|:/+=~".contains(&byte);
    assert!((1..=255).contains(&subject.len()) && subject.bytes().all(plain), "{claims}");
    assert_eq!(*caller.id, format!("jwt:{ISSUER}#sub={subject}"));
    let said = [claims["scope"].to_string(), claims["scp"].to_string()].concat();
    assert!(caller.scopes.iter().all(|scope| said.contains(scope.as_str())), "{claims}");
    // A token speaks for nobody else, however wide the policy's delegation is.
    let mut headers = HeaderMap::new();
    headers.insert(Delegation::HEADER, HeaderValue::from_static("anna"));
    assert!(RESOURCE.delegation.resolve(caller.clone(), &headers, &RESOURCE.policy).is_err());
}

fn headers<'a>(values: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let values = values.take(8).filter_map(|value| HeaderValue::from_bytes(value).ok());
    values.map(|value| (AUTHORIZATION, value)).fold(HeaderMap::new(), |mut all, (name, value)| {
        all.append(name, value);
        all
    })
}

fn identify_token(written: &str, signature: &[u8]) -> Option<Caller> {
    let value = format!("Bearer {written}.{}", URL_SAFE_NO_PAD.encode(signature));
    identify(&headers(std::iter::once(value.as_bytes())))
}

fn identify(headers: &HeaderMap) -> Option<Caller> {
    match RESOURCE.runtime.block_on(RESOURCE.jwt.identify(headers)) {
        Ok(caller) => Some(caller),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
