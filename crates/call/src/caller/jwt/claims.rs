//! What a token says: its subject and its scopes.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Most scopes of a token that are looked at; the rest is as if not there.
const MAX_SCOPES: usize = 256;
/// Longest subject.
const MAX_SUBJECT_BYTES: usize = 255;

/// The claims that are used, beside those that the crate checks.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub sub: String,
    /// Scopes in one text, as RFC 9068 has them.
    #[serde(default)]
    scope: Option<Scopes>,
    /// The same by the name that Entra ID (a text) and Okta (a list) use.
    #[serde(default)]
    scp: Option<Scopes>,
    /// Whether it is bound to a key that its sender must prove to have (RFC 7800), by mutual TLS or
    /// DPoP.
    #[serde(default, rename = "cnf", deserialize_with = "is_there")]
    pub is_bound: bool,
}

fn is_there<'de, D: Deserializer<'de>>(claim: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(claim).map(|_| true)
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

impl Claims {
    /// Whether the subject can stand in a caller's id: nothing in it means something in an id, in
    /// a policy's patterns or in a log.
    pub(super) fn has_plain_subject(&self) -> bool {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@|:/+=~".contains(&byte);
        (1..=MAX_SUBJECT_BYTES).contains(&self.sub.len()) && self.sub.bytes().all(good)
    }

    /// The scopes, from both claims.
    pub(super) fn scopes(&self) -> Vec<String> {
        [&self.scope, &self.scp]
            .into_iter()
            .flatten()
            .flat_map(|scopes| match scopes {
                Scopes::Text(text) => text.split(' ').map(str::to_owned).collect(),
                // An entry with a space is no scope: `["a b"]` does not hold `b`.
                Scopes::List(list) => list.clone(),
            })
            .filter(|scope| mcp_workspace_tools::policy::is_scope(scope))
            .take(MAX_SCOPES)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(more: Value) -> Claims {
        let mut all = json!({ "iss": "https://idp.example.com", "sub": "anna" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn scopes_come_from_either_claim() {
        assert!(claims(json!({})).scopes().is_empty());
        assert_eq!(claims(json!({ "scope": "a  b:c" })).scopes(), ["a", "b:c"]);
        assert_eq!(claims(json!({ "scp": "a b" })).scopes(), ["a", "b"]);
        assert_eq!(claims(json!({ "scp": ["a", "b c", ""], "scope": "d" })).scopes(), ["d", "a"]);
    }

    #[test]
    fn a_confirmation_of_any_form_binds() {
        assert!(!claims(json!({})).is_bound);
        for cnf in [json!({ "jkt": "x" }), json!({}), json!("x"), json!(null), json!([1])] {
            assert!(claims(json!({ "cnf": cnf })).is_bound, "{cnf}");
        }
    }

    #[test]
    fn a_subject_is_plain() {
        for sub in ["a", "auth0|123", "repo:org/name:ref:refs/heads/main", "a@b.example", "x+y=="] {
            assert!(claims(json!({ "sub": sub })).has_plain_subject(), "{sub}");
        }
        let long = "a".repeat(256);
        for sub in ["", "*", "a*", "a b", "a#sub=b", "a\nb", "\u{e4}", "a%2fb", "a\\b", &long] {
            assert!(!claims(json!({ "sub": sub })).has_plain_subject(), "{sub}");
        }
    }
}
