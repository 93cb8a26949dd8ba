//! JSON of strangers, measured before it is parsed. A parsed value takes many times the memory of
//! its text: four megabytes of `[{"a":{}},…]` took more than a gigabyte. So whoever receives JSON
//! measures it first, in one pass that allocates nothing, and refuses what is over [`Limits`].
//!
//! ```
//! use mcp_workspace_json::{Limits, Refused, parse};
//! use serde_json::Value;
//!
//! let limits = Limits { bytes: 100, nodes: 4, depth: 2 };
//! let value: Value = parse(br#"{"a": [1]}"#, &limits)?;
//! assert_eq!(value["a"][0], 1);
//! let refused = parse::<Value>(b"[1, 2, 3, 4]", &limits).unwrap_err();
//! assert_eq!(refused.to_string(), "the JSON holds 5 values; the limit is 4");
//! # Ok::<(), Refused>(())
//! ```

mod token;

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde_json::Value;

use token::{Token, Tokens};

/// Longest id of a message that is given back, in bytes.
const MAX_ID_BYTES: usize = 256;

/// How large JSON may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of text.
    pub bytes: usize,
    /// Most values: each list, object, text, number, `true`, `false` and `null` is one.
    pub nodes: usize,
    /// How deep lists and objects may lie in each other.
    pub depth: usize,
}

impl Limits {
    /// The limits of a message or of a call's arguments.
    ///
    /// The longest value of shared state has 40,000 bytes, and so at most 20,000 values; nothing
    /// else that a tool takes comes near to that. A value takes up to 1 KiB while a message is
    /// read and answered.
    pub const MESSAGE: Limits = Limits { bytes: 4 * 1024 * 1024, nodes: 20_480, depth: 64 };

    /// Refuses what is larger.
    ///
    /// # Errors
    /// With the first limit that it is over, and by how much.
    pub fn check(&self, size: Size) -> Result<(), Exceeded> {
        let Limits { bytes, nodes, depth } = *self;
        if size.bytes > bytes {
            return Err(Exceeded::Bytes { found: size.bytes, limit: bytes });
        }
        if size.depth > depth {
            return Err(Exceeded::Depth { found: size.depth, limit: depth });
        }
        if size.nodes > nodes {
            return Err(Exceeded::Nodes { found: size.nodes, limit: nodes });
        }
        Ok(())
    }
}

/// How large a JSON text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of text.
    pub bytes: usize,
    /// Values, as [`Limits::nodes`] counts them. Where an object names one key twice, both count.
    pub nodes: usize,
    /// How deep lists and objects lie in each other; 0 for a value that is neither.
    pub depth: usize,
}

/// Over which limit a JSON text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Over [`Limits::bytes`].
    #[error("the JSON has {found} bytes; the limit is {limit}")]
    Bytes {
        /// What it has.
        found: usize,
        /// What it may have.
        limit: usize,
    },
    /// Over [`Limits::nodes`].
    #[error("the JSON holds {found} values; the limit is {limit}")]
    Nodes {
        /// What it has.
        found: usize,
        /// What it may have.
        limit: usize,
    },
    /// Over [`Limits::depth`].
    #[error("the JSON is nested {found} levels deep; the limit is {limit}")]
    Depth {
        /// What it has.
        found: usize,
        /// What it may have.
        limit: usize,
    },
}

impl Exceeded {
    /// What whoever sent it can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Exceeded::Bytes { .. } => "send less at once: several smaller calls",
            Exceeded::Nodes { .. } | Exceeded::Depth { .. } => {
                "send less structure: several smaller calls, or one text in place of many values"
            }
        }
    }
}

/// Why JSON was not read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is over a limit, and was not parsed.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// It is no JSON, or not what was expected.
    #[error(transparent)]
    Invalid(#[from] serde_json::Error),
}

/// Parses what is within the limits.
///
/// # Errors
/// When it is over one of them, or is not what was expected.
pub fn parse<T: DeserializeOwned>(text: &[u8], limits: &Limits) -> Result<T, Refused> {
    limits.check(measure(text))?;
    Ok(serde_json::from_slice(text)?)
}

/// Measures a text in one pass. A parser makes at most so many values of it, nested so deep, also
/// where the text is no JSON and the parser only finds out at its end.
pub fn measure(text: &[u8]) -> Size {
    let mut size = Size { bytes: text.len(), ..Size::default() };
    let (mut depth, mut after_text) = (0_usize, false);
    for token in Tokens::of(text) {
        match &token {
            Token::Open => {
                size.nodes += 1;
                depth += 1;
                size.depth = size.depth.max(depth);
            }
            Token::Close => depth = depth.saturating_sub(1),
            Token::Text(_) | Token::Plain(_) => size.nodes += 1,
            // That text was a key.
            Token::Colon if after_text => size.nodes -= 1,
            Token::Colon | Token::Comma => {}
        }
        after_text = matches!(token, Token::Text(_));
    }
    size
}

/// The `id` of a JSON-RPC message, a text or a number, so that a message which is not parsed can be
/// answered. The text may be cut off.
pub fn id_of(text: &[u8]) -> Option<Value> {
    let mut depth = 0_usize;
    let mut tokens = Tokens::of(text).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Text(at) if depth == 1 && text.get(at.clone()) == Some(br#""id""#) => {
                if tokens.next_if_eq(&Token::Colon).is_none() {
                    continue;
                }
                return match tokens.next()? {
                    Token::Text(at) | Token::Plain(at) => id_in(text, at),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    None
}

/// The same, where only the end of the text is there: many clients write the `id` last.
///
/// In JSON, a quote inside of a text has a backslash before it. So the last `"id"` before the last
/// bracket is a key, and of the object which that bracket closes: the message.
pub fn id_at_end(text: &[u8]) -> Option<Value> {
    let text = text.trim_ascii_end().strip_suffix(b"}")?;
    let key = br#""id""#;
    let at = text.windows(key.len()).rposition(|there| there == key)?;
    let (before, rest) = text.split_at_checked(at)?;
    let before = before.trim_ascii_end().last()?;
    if !b",{".contains(before) {
        return None;
    }
    let value = rest.strip_prefix(key)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii();
    // One value alone stands there.
    let mut tokens = Tokens::of(value);
    match (tokens.next()?, tokens.next()) {
        (Token::Text(at) | Token::Plain(at), None) => id_in(value, at),
        _ => None,
    }
}

fn id_in(text: &[u8], at: RangeInclusive<usize>) -> Option<Value> {
    let id = text.get(at).filter(|id| id.len() <= MAX_ID_BYTES)?;
    let id: Value = serde_json::from_slice(id).ok()?;
    (id.is_string() || id.is_number()).then_some(id)
}
