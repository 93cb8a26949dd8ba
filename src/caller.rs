//! Who is calling, and how that was proven. Identity comes from the host, never from arguments.

use std::sync::Arc;

/// How a caller's identity was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The process itself: stdio and the command line.
    Process,
    /// A connection from the same machine.
    Loopback,
    /// A bearer token whose hash the operator has stored.
    Token,
}

impl Proof {
    /// The name in the audit record.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::Process => "process",
            Proof::Loopback => "loopback",
            Proof::Token => "token",
        }
    }
}

/// A caller whose identity the host has established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The id that policies name, such as `local`.
    pub id: Arc<str>,
    /// How it was proven.
    pub proof: Proof,
}

impl Caller {
    /// The id of a caller on the same machine.
    pub const LOCAL: &'static str = "local";

    /// A caller with a proven id.
    pub fn new(id: &str, proof: Proof) -> Caller {
        Caller { id: id.into(), proof }
    }
}
