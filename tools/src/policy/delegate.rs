//! Who may speak for others: `[[delegate]]`.

use super::glob::CallerPattern;

/// IAM roles that may name the end agent they call for, and which names.
#[derive(Debug, Clone)]
pub(super) struct Delegate {
    callers: Vec<CallerPattern>,
    names: Vec<CallerPattern>,
}

impl Delegate {
    pub(super) fn new(callers: &[String], names: &[String]) -> Delegate {
        let patterns =
            |texts: &[String]| texts.iter().map(|text| CallerPattern::new(text)).collect();
        Delegate { callers: patterns(callers), names: patterns(names) }
    }

    pub(super) fn allows(&self, caller: &str, name: &str) -> bool {
        self.callers.iter().any(|pattern| pattern.matches(caller))
            && self.names.iter().any(|pattern| pattern.matches(name))
    }
}

/// Whether a pattern can only match IAM roles of one account: `arn:aws:iam::ACCOUNT:role/...`.
/// Anything wider could trust a stranger.
pub(super) fn is_of_roles(pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let [scheme, partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    *scheme == "arn"
        && !partition.is_empty()
        && !partition.contains('*')
        && *service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && resource.strip_prefix("role/").is_some_and(|role| {
            !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
        })
}

/// Whether a pattern of names consists of what names may have, and `*`.
pub(super) fn is_of_names(pattern: &str) -> bool {
    !pattern.is_empty()
        && pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@*".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_of_one_account_can_be_trusted() {
        for good in [
            "arn:aws:iam::123456789012:role/gateway-*",
            "arn:aws-cn:iam::123456789012:role/gateway",
            "arn:aws:iam::123456789012:role/*",
        ] {
            assert!(is_of_roles(good), "{good}");
        }
        for bad in [
            "*",
            "arn:*",
            "arn:aws:iam::*:role/gateway",
            "arn:*:iam::123456789012:role/gateway",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:user/anna",
            "arn:aws:iam::123456789012:role/path/gateway",
            "arn:aws:sts::123456789012:assumed-role/gateway/session",
            "jwt:https://idp.example.com#sub=gateway",
            "local",
        ] {
            assert!(!is_of_roles(bad), "{bad}");
        }
    }

    #[test]
    fn a_delegate_speaks_for_its_names_only() {
        let delegate = Delegate::new(
            &["arn:aws:iam::123456789012:role/gateway-*".to_owned()],
            &["review-*".to_owned(), "anna".to_owned()],
        );
        let gateway = "arn:aws:iam::123456789012:role/gateway-1";
        assert!(delegate.allows(gateway, "review-7") && delegate.allows(gateway, "anna"));
        assert!(!delegate.allows(gateway, "bert") && !delegate.allows(gateway, "annab"));
        assert!(!delegate.allows("arn:aws:iam::999999999999:role/gateway-1", "anna"));
    }
}
