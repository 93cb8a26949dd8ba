//! Who is calling, and how that was proven. Identity comes from the host, never from arguments.

pub mod bearer;
pub mod delegation;
mod iam;
pub mod jwt;

pub use iam::Signed;

use std::sync::Arc;

use mcp_workspace_tools::policy::Subject;

/// How a caller's identity was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The process itself: stdio and the command line.
    Process,
    /// A connection from the same machine.
    Loopback,
    /// A bearer token whose hash the operator has stored.
    Token,
    /// A request signed with IAM credentials, as Lambda has checked.
    Iam,
    /// An access token of the configured issuer.
    Jwt,
    /// An IAM role that the policy trusts to say for whom it calls.
    Delegation,
    /// The client context that an AgentCore Gateway sets.
    Gateway,
    /// The event of a Bedrock agent.
    Agent,
}

impl Proof {
    /// The name in the audit record.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::Process => "process",
            Proof::Loopback => "loopback",
            Proof::Token => "token",
            Proof::Iam => "iam",
            Proof::Jwt => "jwt",
            Proof::Delegation => "delegation",
            Proof::Gateway => "gateway",
            Proof::Agent => "agent",
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
    /// The scopes of its token; none where there is no token with scopes.
    pub scopes: Arc<[String]>,
}

impl Caller {
    /// The id of a caller on the same machine.
    pub const LOCAL: &'static str = "local";

    /// A caller with a proven id.
    pub fn new(id: &str, proof: Proof) -> Caller {
        Caller { id: id.into(), proof, scopes: Arc::default() }
    }

    /// The same caller with the scopes of its token.
    pub fn with_scopes(self, scopes: Vec<String>) -> Caller {
        Caller { scopes: scopes.into(), ..self }
    }
}

impl<'s> From<&'s Caller> for Subject<'s> {
    fn from(caller: &'s Caller) -> Subject<'s> {
        Subject::new(&caller.id, &caller.scopes)
    }
}
