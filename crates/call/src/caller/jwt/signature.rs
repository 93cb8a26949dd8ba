//! Verifies signatures with ring, the one implementation of cryptography in the binary, which TLS
//! uses too. It only verifies, and only with public keys: there is no code for HMAC with which a
//! key could be confused.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use signature_traits::Verifier;

/// Makes the crate use ring. Later calls change nothing.
pub(super) fn install() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        verifier_factory: verifier,
        key_utils: KeyUtils {
            rsa_pub_components_from_private_key: |_| Err(ErrorKind::InvalidKeyFormat.into()),
            rsa_pub_components_from_public_key: |_| Err(ErrorKind::InvalidKeyFormat.into()),
            ec_pub_components_from_private_key: |_, _| Err(ErrorKind::InvalidKeyFormat.into()),
            ed_pub_components_from_private_key: |_, _| Err(ErrorKind::InvalidKeyFormat.into()),
            compute_digest: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
    };
    // It can only be there already.
    let _ = RING.install_default();
}

/// Whether only the holder of a private key can sign by this algorithm.
pub(super) fn is_asymmetric(algorithm: Algorithm) -> bool {
    way(algorithm).is_some()
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() || !is_asymmetric(*algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature_traits::Error> {
        let good = match (way(self.algorithm), self.key.kind()) {
            (Some(Way::Rsa(parameters)), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n: without_zeros(n), e: without_zeros(e) }
                    .verify(parameters, message, signature)
            }
            (Some(Way::Curve(algorithm)), DecodingKeyKind::SecretOrDer(point)) => {
                signature::UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            _ => return Err(signature_traits::Error::new()),
        };
        good.map_err(|_| signature_traits::Error::new())
    }
}

enum Way {
    /// RSA, with keys of 2,048 to 8,192 bits.
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

fn way(algorithm: Algorithm) -> Option<Way> {
    Some(match algorithm {
        Algorithm::RS256 => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Way::Curve(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Way::Curve(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Way::Curve(&signature::ED25519),
        // HMAC, whose keys are secrets, and what a later version of the crate brings.
        _ => return None,
    })
}

/// Some issuers write numbers with a leading zero byte, which ring does not take.
fn without_zeros(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_never_becomes_a_secret() {
        install();
        let key = DecodingKey::from_secret(b"public key");
        assert!(verifier(&Algorithm::HS256, &key).is_err());
        let rsa = DecodingKey::from_rsa_raw_components(&[1], &[3]);
        assert!(verifier(&Algorithm::HS256, &rsa).is_err());
        assert!(verifier(&Algorithm::ES256, &rsa).is_err());
        assert!(verifier(&Algorithm::RS256, &rsa).is_ok());
    }

    #[test]
    fn leading_zeros_do_not_count() {
        assert_eq!(without_zeros(&[0, 0, 5, 0]), [5, 0]);
        assert!(without_zeros(&[0, 0]).is_empty());
    }
}
