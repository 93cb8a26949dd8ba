//! An issuer of access tokens with keys of its own, made for this run.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example.com/realm";
pub(crate) const AUDIENCE: &str = "https://workspace.example.com/mcp";

/// How a token is signed.
#[derive(Debug, Clone)]
pub(crate) enum Signer {
    /// RSA by this algorithm's name.
    Rsa(&'static str),
    Es256,
    Es384,
    EdDsa,
    /// A key of somebody else on the same curve.
    Stranger,
    /// HMAC with these bytes as the secret.
    Hmac(Vec<u8>),
    /// Nothing at all.
    Nobody,
}

/// The keys of an issuer.
pub(crate) struct Issuer {
    es256: EcdsaKeyPair,
    es384: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).unwrap();
    RsaKeyPair::from_der(key.to_pkcs1_der().unwrap().as_bytes()).unwrap()
});

/// The issuer that most tests believe.
pub(crate) static IDP: LazyLock<Issuer> = LazyLock::new(Issuer::new);

impl Issuer {
    pub(crate) fn new() -> Issuer {
        let random = SystemRandom::new();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            es256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            es384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            stranger: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap(),
        }
    }

    /// The public keys: `rsa`, `es256`, `es384` and `ed25519`.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [
            rsa_public(), self.es256_public("es256"),
            ec_public(&self.es384, "P-384", "es384"),
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "use": "sig",
              "x": encode(self.ed25519.public_key()) },
        ] })
    }

    /// The key on P-256 under this id.
    pub(crate) fn es256_public(&self, id: &str) -> Value {
        ec_public(&self.es256, "P-256", id)
    }

    /// The key that signs for [`Signer::Stranger`].
    pub(crate) fn stranger_public(&self) -> Value {
        ec_public(&self.stranger, "P-256", "es256")
    }

    /// A token of this header and these claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value, signer: &Signer) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.signature(message.as_bytes(), signer);
        format!("{message}.{}", encode(signature))
    }

    fn signature(&self, message: &[u8], signer: &Signer) -> Vec<u8> {
        let random = SystemRandom::new();
        let by = |key: &EcdsaKeyPair| key.sign(&random, message).unwrap().as_ref().to_vec();
        match signer {
            Signer::Rsa(name) => {
                let padding: &'static dyn RsaEncoding = match *name {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    other => panic!("no RSA algorithm {other}"),
                };
                let mut signature = vec![0; RSA.public().modulus_len()];
                RSA.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Signer::Es256 => by(&self.es256),
            Signer::Es384 => by(&self.es384),
            Signer::Stranger => by(&self.stranger),
            Signer::EdDsa => self.ed25519.sign(message).as_ref().to_vec(),
            Signer::Hmac(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                ring::hmac::sign(&key, message).as_ref().to_vec()
            }
            Signer::Nobody => Vec::new(),
        }
    }
}

/// Good claims of this subject for this server, valid for five minutes.
pub(crate) fn claims(sub: &str) -> Value {
    json!({ "iss": ISSUER, "sub": sub, "aud": AUDIENCE, "iat": now(), "exp": now() + 300 })
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// The public RSA key.
pub(crate) fn rsa_public() -> Value {
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(RSA.public());
    json!({ "kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(n), "e": encode(e) })
}

/// The public RSA key in the forms that have been taken for a secret: DER, PEM, JSON, modulus.
pub(crate) fn rsa_public_as_secrets() -> [Vec<u8>; 4] {
    let der = RSA.public().as_ref().to_vec();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{base64}\n-----END RSA PUBLIC KEY-----\n");
    let PublicKeyComponents { n, .. } = PublicKeyComponents::<Vec<u8>>::from(RSA.public());
    [der, pem.into_bytes(), rsa_public().to_string().into_bytes(), n]
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
}

fn ec_public(key: &EcdsaKeyPair, curve: &str, id: &str) -> Value {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": curve, "kid": id, "x": encode(x), "y": encode(y) })
}
