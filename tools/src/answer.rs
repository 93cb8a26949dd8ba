//! What a tool answers: one JSON value, and how it is shown to a model.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The output of a tool, before a host renders it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The JSON form: what `call` prints and what programs read.
    pub json: Value,
    /// The form for a model.
    pub shown: Shown,
}

/// How an answer is shown to a model. A client shows either text or structured content,
/// never both, so each tool picks one.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// The JSON itself, as structured content and as the same text.
    Json,
    /// Text alone, with no structured content.
    Text(String),
    /// An image.
    Image {
        /// Base64 of the file.
        data: String,
        /// Its media type, such as `image/png`.
        media_type: String,
        /// A line about the file: path, size, version.
        note: String,
    },
    /// A sound.
    Audio {
        /// Base64 of the file.
        data: String,
        /// Its media type, such as `audio/wav`.
        media_type: String,
        /// A line about the file: path, size, version.
        note: String,
    },
}

/// How an answer is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}
