//! Signatures of decisions, for mounts that others can write: HMAC-SHA256 with a key that only
//! programs of people hold. Each covers its step and the signature before it, so that no step can
//! be changed, moved, left out or added.
//!
//! A key is replaced by putting a new one before it: the first signs, and each proves what it has
//! signed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::decision::Decision;
use crate::hex::hex;

/// Shortest key in bytes: as long as what the hash gives.
pub const MIN_KEY_BYTES: usize = 32;
/// Most keys: each step of a history is tried with all of them.
pub const MAX_KEYS: usize = 16;
/// What is signed begins with this, so that the key cannot be made to sign anything else.
const DOMAIN: &[u8] = b"mcp-workspace decision 1\n";
/// The same of what an id is made of.
const DOMAIN_OF_IDS: &[u8] = b"mcp-workspace decision key 1\n";

/// The keys of an operator: the one that signs, and older ones. They are shown nowhere.
pub struct DecisionKeys {
    newest: Key,
    older: Vec<Key>,
}

struct Key(Vec<u8>);

impl std::fmt::Debug for DecisionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecisionKeys(..)")
    }
}

/// What is wrong with the text of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongKeys {
    /// There is no key in it.
    #[error("there is no key; make one by `openssl rand -hex 32`")]
    None,
    /// One is too short.
    #[error(
        "key {number} of {count} has {bytes} bytes; at least {MIN_KEY_BYTES} are needed: \
         `openssl rand -hex 32`. White space is between keys, never in one"
    )]
    TooShort {
        /// Which, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// How long it is.
        bytes: usize,
    },
    /// There are more than [`MAX_KEYS`].
    #[error(
        "there are {0} keys; the limit is {MAX_KEYS}: leave out the last, which are the oldest"
    )]
    TooMany(usize),
}

impl DecisionKeys {
    /// Keys from a text, with white space between them: the first signs, and those after it still
    /// prove what they have signed.
    ///
    /// # Errors
    /// When there is none, when one is shorter than [`MIN_KEY_BYTES`], and beyond [`MAX_KEYS`].
    pub fn new(text: &[u8]) -> Result<DecisionKeys, WrongKeys> {
        let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut keys: Vec<Key> = words.map(|word| Key(word.to_vec())).collect();
        let count = keys.len();
        if count > MAX_KEYS {
            return Err(WrongKeys::TooMany(count));
        }
        for (before, key) in keys.iter().enumerate() {
            let (number, bytes) = (before + 1, key.0.len());
            if bytes < MIN_KEY_BYTES {
                return Err(WrongKeys::TooShort { number, count, bytes });
            }
        }
        let older = keys.split_off(count.min(1));
        match keys.pop() {
            Some(newest) => Ok(DecisionKeys { newest, older }),
            None => Err(WrongKeys::None),
        }
    }

    /// What tells the keys apart and tells nothing of them, the one that signs first: 8 hex digits
    /// of each.
    pub fn ids(&self) -> Vec<String> {
        self.all().map(Key::id).collect()
    }

    /// The signature of a step after another. The one that the step may already have is no part
    /// of what is signed; its journal is, with the hashes of all that was saved.
    pub fn sign(&self, step: &Decision, previous: Option<&Decision>) -> String {
        hex(&self.newest.over(step, previous).finalize().into_bytes())
    }

    /// Whether a step has the signature of one of the keys. A comparison takes the same time
    /// wherever the two differ.
    pub fn have_signed(&self, step: &Decision, previous: Option<&Decision>) -> bool {
        let Some(signature) = step.signature.as_deref().and_then(bytes_of) else { return false };
        self.all().any(|key| key.over(step, previous).verify_slice(&signature).is_ok())
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl Key {
    fn mac(&self) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()))
    }

    fn id(&self) -> String {
        let mut mac = self.mac();
        mac.update(DOMAIN_OF_IDS);
        hex(mac.finalize().into_bytes().get(..4).unwrap_or_default())
    }

    fn over(&self, step: &Decision, previous: Option<&Decision>) -> Hmac<Sha256> {
        let unsigned = Decision { signature: None, ..step.clone() };
        let before = previous.and_then(|step| step.signature.as_deref()).unwrap_or_default();
        let mut mac = self.mac();
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
