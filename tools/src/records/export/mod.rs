//! Exports of findings: SARIF for machines, Markdown and HTML for people.
//!
//! Every export is a pure function of a set of findings: the same set gives the same bytes,
//! whatever the order in which it was written or read.

pub mod describe;
mod html;
mod markdown;
mod sarif;
mod sarif_limits;

pub use html::html;
pub use markdown::{escaped, markdown};
pub use sarif::{Profile, Provenance, sarif};

/// An export, and what a person must know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The document.
    pub text: String,
    /// What was cut or is missing, one sentence each.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests;
