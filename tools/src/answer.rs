//! What a tool answers: one JSON value, and how it is shown to a model.

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::adjusted;

/// The output of a tool, before a host renders it. Its JSON is made when somebody asks for it:
/// most clients see text alone.
pub struct Answer {
    output: Box<dyn Output>,
    json: OnceLock<Value>,
    text: OnceLock<String>,
    adjusted: Vec<String>,
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
        Answer {
            output: Box::new(output),
            json,
            text,
            adjusted: Vec::new(),
            shown,
            partial,
            structured: true,
        }
    }

    /// Names how the call was read: in a field `adjusted` of the JSON, and in a line before a text.
    #[must_use]
    pub(crate) fn adjusted(mut self, how: Vec<String>) -> Answer {
        if let Some(line) = adjusted::line(&how) {
            match &mut self.shown {
                Shown::Json => {}
                Shown::Text(text) => text.insert_str(0, &format!("{line}\n")),
                Shown::Image { note, .. } | Shown::Audio { note, .. } => {
                    note.insert_str(0, &format!("{line}\n"));
                }
            }
        }
        self.adjusted = how;
        self
    }

    /// An answer that is JSON alone and whole.
    pub fn of_json(json: Value) -> Answer {
        Answer::new(json, Shown::Json, false)
    }

    /// The JSON form: what `call` prints and what programs read.
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| {
            let mut json = self.output.to_json();
            if let Some(fields) = json.as_object_mut().filter(|_| !self.adjusted.is_empty()) {
                // A tool may have adjustments of its own.
                let told = fields.entry("adjusted").or_insert_with(|| json!([]));
                if let Some(told) = told.as_array_mut() {
                    told.extend(self.adjusted.iter().map(|how| Value::from(how.as_str())));
                }
            }
            json
        })
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
