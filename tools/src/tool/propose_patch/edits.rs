//! The argument `edits`: a list, and what models send in its place.

use std::fmt;

use mcp_workspace_json::Limits;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::patch::Edit;

/// The edits, and what was adjusted to read them.
#[derive(Debug, Default)]
pub(super) struct Edits {
    pub list: Vec<Edit>,
    pub adjusted: Option<&'static str>,
}

/// What JSON text in the place of a list may hold: as much as a whole message.
const TEXT: Limits = Limits::MESSAGE;

impl<'de> Deserialize<'de> for Edits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edits, D::Error> {
        deserializer.deserialize_any(Given { in_text: false })
    }
}

struct Given {
    in_text: bool,
}

impl<'de> Visitor<'de> for Given {
    type Value = Edits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of edits")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Edits, A::Error> {
        let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Edits { list, adjusted: self.in_text.then_some("`edits` was read from JSON text") })
    }

    fn visit_map<A: MapAccess<'de>>(self, edit: A) -> Result<Edits, A::Error> {
        let edit = Edit::deserialize(MapAccessDeserializer::new(edit))?;
        let adjusted = if self.in_text {
            "`edits` was read from JSON text of one edit"
        } else {
            "`edits` was one edit, and was read as a list of it"
        };
        Ok(Edits { list: vec![edit], adjusted: Some(adjusted) })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Edits, E> {
        if self.in_text {
            return Err(E::invalid_type(serde::de::Unexpected::Str(text), &self));
        }
        let read: InText = mcp_workspace_json::parse(text.as_bytes(), &TEXT)
            .map_err(|error| E::custom(format!("it is text and no list of edits: {error}")))?;
        Ok(read.0)
    }
}

/// What stands in a text; no text again.
struct InText(Edits);

impl<'de> Deserialize<'de> for InText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InText, D::Error> {
        deserializer.deserialize_any(Given { in_text: true }).map(InText)
    }
}
