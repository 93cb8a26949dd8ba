//! Why the tokens of an issuer cannot be checked.

use std::path::PathBuf;

/// Why the tokens of an issuer cannot be checked. The operator sees it, and callers never do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A setting is wrong: which one, and what is expected.
    #[error("{0}")]
    Setting(String),
    /// The issuer's keys are in a form that is not used.
    #[error("{0}")]
    Keys(String),
    /// The keys cannot be read from a file.
    #[error("cannot read the keys in `{}`: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the machine says.
        cause: std::io::Error,
    },
    /// The keys cannot be had from their URL.
    #[error("cannot get the keys from {host}: {cause}")]
    Fetch {
        /// The host and port that were asked.
        host: String,
        /// What went wrong.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
