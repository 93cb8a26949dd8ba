//! Signatures of decisions, for mounts that others can write: HMAC-SHA256 with a key that only
//! programs of people hold. Each covers its step and the signature before it, so that no step can
//! be changed, moved, left out or added.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::decision::Decision;
use crate::hex::hex;

/// Shortest key in bytes: as long as what the hash gives.
pub const MIN_KEY_BYTES: usize = 32;
/// What is signed begins with this, so that the key cannot be made to sign anything else.
const DOMAIN: &[u8] = b"mcp-workspace decision 1\n";

/// The key of an operator. It is shown nowhere.
pub struct DecisionKey(Vec<u8>);

impl std::fmt::Debug for DecisionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecisionKey(..)")
    }
}

/// A key that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key has {0} bytes; at least {MIN_KEY_BYTES} are needed: `openssl rand -hex 32`")]
pub struct KeyTooShort(pub usize);

impl DecisionKey {
    /// A key from a text; white space around it is no part of it.
    ///
    /// # Errors
    /// When it is shorter than [`MIN_KEY_BYTES`].
    pub fn new(text: &[u8]) -> Result<DecisionKey, KeyTooShort> {
        let text = text.trim_ascii();
        if text.len() < MIN_KEY_BYTES {
            return Err(KeyTooShort(text.len()));
        }
        Ok(DecisionKey(text.to_vec()))
    }

    /// The signature of a step after another. The one that the step may already have is no part
    /// of what is signed; its journal is, with the hashes of all that was saved.
    pub fn sign(&self, step: &Decision, previous: Option<&Decision>) -> String {
        hex(&self.over(step, previous).finalize().into_bytes())
    }

    /// Whether a step has the right signature. The comparison takes the same time wherever the
    /// two differ.
    pub fn has_signed(&self, step: &Decision, previous: Option<&Decision>) -> bool {
        let Some(signature) = step.signature.as_deref().and_then(bytes_of) else { return false };
        self.over(step, previous).verify_slice(&signature).is_ok()
    }

    fn over(&self, step: &Decision, previous: Option<&Decision>) -> Hmac<Sha256> {
        let unsigned = Decision { signature: None, ..step.clone() };
        let before = previous.and_then(|step| step.signature.as_deref()).unwrap_or_default();
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        mac.update(DOMAIN);
        mac.update(&(before.len() as u64).to_be_bytes());
        mac.update(before.as_bytes());
        // A struct's fields have one order, so one step has one text.
        mac.update(&serde_json::to_vec(&unsigned).unwrap_or_default());
        mac
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
