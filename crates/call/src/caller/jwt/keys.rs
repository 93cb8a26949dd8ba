//! The public keys of an issuer, as a JSON Web Key Set has them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::setup_error::SetupError;

/// Most keys of a set.
const MAX_KEYS: usize = 100;

/// The keys that can verify tokens.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The key for a token, or why there is none.
pub(super) enum Choice<'k> {
    Key(&'k DecodingKey),
    /// No key of this id: the issuer may have a new one.
    Unknown,
    /// The token names no key, and it is not clear which is meant.
    Unclear,
}

#[derive(Deserialize)]
struct SetText {
    keys: Vec<serde_json::Value>,
}

/// A key as far as it is used. What is missing or different makes a key useless, not the set.
#[derive(Deserialize)]
struct KeyText {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde_json::Value>,
}

impl KeySet {
    /// Reads a set. Keys of kinds that verify no tokens are passed over.
    ///
    /// # Errors
    /// When it is no set, has a private key, or no key that can be used.
    pub(super) fn parse(text: &[u8]) -> Result<KeySet, SetupError> {
        let set: SetText = serde_json::from_slice(text).map_err(|error| {
            SetupError::Keys(format!(
                "no JSON Web Key Set: {{\"keys\": [...]}} is expected: {error}"
            ))
        })?;
        if set.keys.len() > MAX_KEYS {
            return Err(SetupError::Keys(format!(
                "the JSON Web Key Set has {} keys; at most {MAX_KEYS} are read",
                set.keys.len()
            )));
        }
        let mut keys = Vec::new();
        for value in set.keys {
            let Ok(text) = serde_json::from_value::<KeyText>(value) else { continue };
            if text.d.is_some() {
                return Err(SetupError::Keys(
                    "the JSON Web Key Set holds a private key (`d`); give the public ones only"
                        .to_owned(),
                ));
            }
            keys.extend(key(text));
        }
        if keys.is_empty() {
            return Err(SetupError::Keys(
                "the JSON Web Key Set has no key that can be used: RSA from 2,048 bits, EC on \
                 P-256 or P-384, or Ed25519, for signatures"
                    .to_owned(),
            ));
        }
        Ok(KeySet { keys })
    }

    /// The key for a token with this algorithm and key id.
    pub(super) fn choose(&self, algorithm: Algorithm, id: Option<&str>) -> Choice<'_> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        match (fitting.next(), id) {
            (Some(key), Some(_)) => Choice::Key(&key.key),
            (Some(key), None) if fitting.next().is_none() => Choice::Key(&key.key),
            (Some(_), None) => Choice::Unclear,
            (None, _) => Choice::Unknown,
        }
    }
}

fn key(text: KeyText) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    if text.purpose.is_some_and(|purpose| purpose != "sig")
        || text.key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
    {
        return None;
    }
    let size = |part: &Option<String>| Some(URL_SAFE_NO_PAD.decode(part.as_deref()?).ok()?.len());
    let (mut algorithms, key) = match (text.kty.as_str(), text.crv.as_deref()) {
        ("RSA", _) if size(&text.n)? >= 256 => (
            vec![RS256, RS384, RS512, PS256, PS384, PS512],
            DecodingKey::from_rsa_components(text.n.as_deref()?, text.e.as_deref()?),
        ),
        ("EC", Some("P-256")) if size(&text.x)? == 32 && size(&text.y)? == 32 => {
            (vec![ES256], DecodingKey::from_ec_components(text.x.as_deref()?, text.y.as_deref()?))
        }
        ("EC", Some("P-384")) if size(&text.x)? == 48 && size(&text.y)? == 48 => {
            (vec![ES384], DecodingKey::from_ec_components(text.x.as_deref()?, text.y.as_deref()?))
        }
        ("OKP", Some("Ed25519")) if size(&text.x)? == 32 => {
            (vec![EdDSA], DecodingKey::from_ed_components(text.x.as_deref()?))
        }
        _ => return None,
    };
    if let Some(only) = text.alg {
        // The newer name of the same.
        let only = if only == "Ed25519" { "EdDSA".to_owned() } else { only };
        algorithms.retain(|algorithm| only.parse() == Ok(*algorithm));
    }
    Some(Key { id: text.kid, algorithms, key: key.ok()? }).filter(|key| !key.algorithms.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ec(more: Value) -> Value {
        let part = URL_SAFE_NO_PAD.encode([7; 32]);
        let mut key = json!({ "kty": "EC", "crv": "P-256", "x": part, "y": part });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    fn set(keys: &[Value]) -> Result<KeySet, SetupError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn is_key(choice: Choice<'_>) -> bool {
        matches!(choice, Choice::Key(_))
    }

    #[test]
    fn a_key_is_found_by_its_id_and_algorithm() {
        let two = set(&[ec(json!({ "kid": "a" })), ec(json!({ "kid": "b" }))]).unwrap();
        assert!(is_key(two.choose(Algorithm::ES256, Some("a"))));
        assert!(matches!(two.choose(Algorithm::ES256, Some("c")), Choice::Unknown));
        assert!(matches!(two.choose(Algorithm::RS256, Some("a")), Choice::Unknown));
        assert!(matches!(two.choose(Algorithm::ES256, None), Choice::Unclear));
        let one = set(&[ec(json!({}))]).unwrap();
        assert!(is_key(one.choose(Algorithm::ES256, None)));
        assert!(matches!(one.choose(Algorithm::ES256, Some("a")), Choice::Unknown));
    }

    #[test]
    fn keys_that_verify_no_tokens_are_passed_over() {
        let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "s" });
        let small = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([9; 128]), "e": "AQAB" });
        for useless in [
            secret,
            small,
            ec(json!({ "use": "enc" })),
            ec(json!({ "key_ops": ["sign"] })),
            ec(json!({ "alg": "RS256" })),
            ec(json!({ "alg": "HS256" })),
            ec(json!({ "alg": "ECDH-ES" })),
            ec(json!({ "crv": "secp256k1" })),
            ec(json!({ "x": "AA" })),
            json!({ "kty": "EC" }),
            json!("key"),
        ] {
            assert!(set(std::slice::from_ref(&useless)).is_err(), "{useless}");
            let both = set(&[useless, ec(json!({ "kid": "good" }))]).unwrap();
            assert!(is_key(both.choose(Algorithm::ES256, None)));
        }
    }

    #[test]
    fn a_private_key_or_no_set_is_refused() {
        let told = set(&[ec(json!({ "d": "AA" }))]).unwrap_err().to_string();
        assert!(told.contains("private key"), "{told}");
        assert!(set(&vec![ec(json!({})); 101]).is_err());
        for text in ["", "{}", "[]", "{\"keys\":{}}", "<html>"] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
