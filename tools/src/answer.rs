//! What a tool answers: one JSON value, and how it is shown to a model.

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The output of a tool, before a host renders it. Its JSON is made when somebody asks for it:
/// most clients see text alone.
pub struct Answer {
    output: Box<dyn Output>,
    json: OnceLock<Value>,
    text: OnceLock<String>,
    /// The form for a model.
    pub shown: Shown,
    /// Whether there is more than the answer holds.
    pub partial: bool,
    /// Whether its JSON is structured content, with the output schema that clients were given; else
    /// it is text, which every client shows.
    pub structured: bool,
}

/// What can be written as JSON.
trait Output: Send + Sync {
    fn to_json(&self) -> Value;
}

impl<T: Serialize + Send + Sync> Output for T {
    fn to_json(&self) -> Value {
        // Outputs have names for keys and no values that JSON lacks, so this cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Answer {
    /// An answer of a tool.
    pub fn new(
        output: impl Serialize + Send + Sync + 'static,
        shown: Shown,
        partial: bool,
    ) -> Answer {
        let (json, text) = (OnceLock::new(), OnceLock::new());
        Answer { output: Box::new(output), json, text, shown, partial, structured: true }
    }

    /// An answer that is JSON alone and whole.
    pub fn of_json(json: Value) -> Answer {
        Answer::new(json, Shown::Json, false)
    }

    /// The JSON form: what `call` prints and what programs read.
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| self.output.to_json())
    }

    /// [`Answer::json`], by value.
    pub fn into_json(self) -> Value {
        self.json();
        self.json.into_inner().unwrap_or_default()
    }

    /// [`Answer::json`] as text, written once.
    pub fn json_text(&self) -> &str {
        self.text.get_or_init(|| self.json().to_string())
    }

    /// The JSON form and its text.
    pub fn into_json_and_text(self) -> (Value, String) {
        self.json_text();
        (self.json.into_inner().unwrap_or_default(), self.text.into_inner().unwrap_or_default())
    }

    /// The bytes that a model is shown.
    pub fn shown_bytes(&self) -> usize {
        match &self.shown {
            Shown::Text(text) => text.len(),
            Shown::Image { data, note, .. } | Shown::Audio { data, note, .. } => {
                data.len() + note.len()
            }
            Shown::Json => self.json_text().len(),
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// How an answer is shown to a model. A client shows either text or structured content,
/// never both, so each tool picks one.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// The JSON itself: as text, and as structured content too where clients expect that.
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
