//! Delegation: an IAM role that calls for somebody else, such as an AgentCore Gateway for its end
//! agents.
//!
//! The header counts only from a role that a `[[delegate]]` of the policy trusts with the name. A
//! request with the header from anybody else is refused. It is not served without the header,
//! because the sender's own rights may be wider than those of the named caller.

use http::header::{HeaderMap, HeaderName};
use mcp_workspace_tools::policy::{ON_BEHALF, Policy};

use super::{Caller, Proof};

/// Longest name of an end agent.
const MAX_NAME_BYTES: usize = 128;

/// The header that names an end agent.
#[derive(Debug, Clone)]
pub struct Delegation {
    header: HeaderName,
}

/// Why a request in another's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// The header has a value that is no name.
    #[error(
        "the header `{0}` holds no name: one value of 1 to 128 letters, digits and `-_.@`, \
         beginning with a letter or digit"
    )]
    NoName(HeaderName),
    /// The policy does not trust the caller with this name.
    #[error(
        "`{caller}` may not speak for `{name}`: leave the header `{header}` out, or let the \
         policy trust this IAM role in a [[delegate]] with callers and names"
    )]
    NotTrusted {
        /// Who called.
        caller: String,
        /// For whom.
        name: String,
        /// By which header.
        header: HeaderName,
    },
}

impl Delegation {
    /// The header's name where nothing else is set.
    pub const HEADER: &str = "x-mcp-workspace-on-behalf-of";

    /// A delegation by this header.
    pub fn by(header: HeaderName) -> Delegation {
        Delegation { header }
    }

    /// The caller that counts: the one that the header names, or `caller` itself if there is no
    /// header.
    ///
    /// # Errors
    /// When the header is there and the policy does not trust the caller with it.
    pub fn resolve(
        &self,
        caller: Caller,
        headers: &HeaderMap,
        policy: &Policy,
    ) -> Result<Caller, DelegationError> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else { return Ok(caller) };
        let name = value.to_str().ok().filter(|name| is_name(name) && values.next().is_none());
        let name = name.ok_or_else(|| DelegationError::NoName(self.header.clone()))?;
        if caller.proof != Proof::Iam || !policy.may_delegate(&caller.id, name) {
            return Err(DelegationError::NotTrusted {
                caller: caller.id.as_ref().to_owned(),
                name: name.to_owned(),
                header: self.header.clone(),
            });
        }
        Ok(Caller::new(&format!("{}{ON_BEHALF}{name}", caller.id), Proof::Delegation))
    }
}

/// What a name may consist of; nothing that means something in an id or in a policy's patterns.
fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(good)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GATEWAY: &str = "arn:aws:iam::123456789012:role/gateway-1";
    const POLICY: &str = r#"
version = 1

[[role]]
name    = "a"
callers = ["*"]
tools   = ["read_file"]
read    = ["**"]

[[delegate]]
callers = ["arn:aws:iam::123456789012:role/gateway-*"]
names   = ["review-*", "anna@example.com"]
"#;

    fn resolve(caller: Caller, names: &[&str]) -> Result<Caller, DelegationError> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(Delegation::HEADER, HeaderValue::from_str(name).unwrap());
        }
        let policy = Policy::parse(POLICY, "policy.toml").unwrap();
        Delegation::by(HeaderName::from_static(Delegation::HEADER))
            .resolve(caller, &headers, &policy)
    }

    #[test]
    fn a_trusted_role_speaks_for_the_names_it_is_trusted_with() {
        let gateway = || Caller::new(GATEWAY, Proof::Iam);
        assert_eq!(resolve(gateway(), &[]), Ok(gateway()));
        for name in ["review-7", "anna@example.com"] {
            let caller = resolve(gateway(), &[name]).unwrap();
            assert_eq!(&*caller.id, format!("{GATEWAY}/on-behalf/{name}"));
            assert_eq!(caller.proof, Proof::Delegation);
        }
        assert!(matches!(resolve(gateway(), &["bert"]), Err(DelegationError::NotTrusted { .. })));
    }

    #[test]
    fn anybody_else_is_refused() {
        for caller in [
            Caller::new("arn:aws:iam::999999999999:role/gateway-1", Proof::Iam),
            Caller::new("arn:aws:iam::123456789012:role/other", Proof::Iam),
            Caller::new("arn:aws:iam::123456789012:user/gateway-1", Proof::Iam),
            Caller::new("local", Proof::Loopback),
            // The name of a static token is the operator's choice and proves no role.
            Caller::new(GATEWAY, Proof::Token),
            Caller::new(&format!("{GATEWAY}/on-behalf/review-1"), Proof::Delegation),
        ] {
            let refused = resolve(caller.clone(), &["review-7"]);
            assert!(matches!(refused, Err(DelegationError::NotTrusted { .. })), "{caller:?}");
        }
    }

    #[test]
    fn a_name_is_plain_and_single() {
        let gateway = || Caller::new(GATEWAY, Proof::Iam);
        for names in [
            &["review-7", "review-8"][..],
            &["review-7,review-8"],
            &["review-*"],
            &["review-7/on-behalf/admin"],
            &["review 7"],
            &["-review"],
            &[""],
            &["../review-7"],
            &[&"r".repeat(129)],
        ] {
            let refused = resolve(gateway(), names);
            assert!(matches!(refused, Err(DelegationError::NoName(_))), "{names:?}");
        }
    }
}
