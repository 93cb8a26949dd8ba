//! The errors that a tool gives, written for the model that made the call.

use serde::{Deserialize, Serialize};

/// The closed set of error codes. A code is stable; the message is for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// Nothing is there, or policy hides what is there: the two look the same.
    NotFound,
    /// The caller may see the thing but may not do this to it.
    Denied,
    /// An argument is missing, unknown, malformed or out of range.
    InvalidArgument,
    /// The file or the argument is over a documented limit.
    TooLarge,
    /// The thing has changed since the caller read it, or somebody else was first.
    Conflict,
    /// A patch or an edit does not fit the files as they are.
    PatchDoesNotApply,
    /// The call ran out of time and had nothing to return.
    Deadline,
    /// The client cancelled the call.
    Cancelled,
    /// Too many calls are running; try again shortly.
    Overloaded,
    /// The file system failed.
    Io,
    /// No tool of that name, or none that this caller may use.
    UnknownTool,
    /// A fault of the server, never of the caller; and what a newer server may say.
    #[serde(other)]
    Internal,
}

impl Code {
    /// The code as it appears in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotFound => "not_found",
            Code::Denied => "denied",
            Code::InvalidArgument => "invalid_argument",
            Code::TooLarge => "too_large",
            Code::Conflict => "conflict",
            Code::PatchDoesNotApply => "patch_does_not_apply",
            Code::Deadline => "deadline",
            Code::Cancelled => "cancelled",
            Code::Overloaded => "overloaded",
            Code::Io => "io",
            Code::UnknownTool => "unknown_tool",
            Code::Internal => "internal",
        }
    }
}

/// What went wrong, with the offending value, and what to do next.
///
/// Messages follow one form: no capital, no final period, the caller's own words in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    /// The stable code.
    pub code: Code,
    /// What was wrong, with the value.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The underlying cause, for the operator's log only.
    #[serde(skip)]
    pub source_for_log: Option<String>,
    /// What the caller met, where the words for what to do next are the asker's own.
    #[serde(skip)]
    pub situation: Option<Situation>,
}

/// What happened when somebody asked for a path. What can be done next depends on who asked: a tool
/// names other tools, a command its options, and a page its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// Nothing is there, as far as the caller may see.
    Missing,
    /// A directory in the place of a file.
    Directory,
    /// A file in the place of a directory.
    File,
    /// A symbolic link, which is not followed.
    Link,
}

impl ToolError {
    /// An error with a code and a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        ToolError {
            code,
            message: message.into(),
            hint: None,
            source_for_log: None,
            situation: None,
        }
    }

    /// Adds what the caller should do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what the caller met, for whoever words the next step.
    #[must_use]
    pub fn in_situation(mut self, situation: Situation) -> Self {
        self.situation = Some(situation);
        self
    }

    /// Adds the private cause, which reaches the log and never the caller.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.source_for_log = Some(cause.to_string());
        self
    }

    /// An [`Code::InvalidArgument`] error.
    pub fn invalid(message: impl Into<String>) -> Self {
        ToolError::new(Code::InvalidArgument, message)
    }

    /// The whole error as the text that a model reads.
    pub fn to_text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}: {}\n{hint}", self.code.as_str(), self.message),
            None => format!("{}: {}", self.code.as_str(), self.message),
        }
    }
}
