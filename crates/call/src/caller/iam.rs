//! Callers whose signature IAM has checked, by the ARN that Lambda gives.

use super::{Caller, Proof};

/// Who signed a request that IAM has authorized. It is beside the request. When it is there,
/// nothing else proves a caller, even if the signer cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed(pub Option<Caller>);

impl Caller {
    /// The caller of a request that IAM has authorized, by the ARN of who signed it.
    ///
    /// A role's session is left out: `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION` is
    /// `arn:aws:iam::ACCOUNT:role/NAME`, without the role's path, which such an ARN does not
    /// have. Users, federated users and the root user stay as they are. None for any other ARN.
    pub fn from_iam(arn: &str) -> Option<Caller> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts.as_slice() else {
            return None;
        };
        let in_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if *scheme != "arn" || partition.is_empty() || !region.is_empty() || !in_account {
            return None;
        }
        let steps: Vec<&str> = resource.split('/').collect();
        if steps.iter().any(|step| step.is_empty()) {
            return None;
        }
        let id = match (*service, steps.as_slice()) {
            ("sts", ["assumed-role", role, _session]) => {
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            ("sts", ["federated-user", _]) | ("iam", ["root"] | ["user", _, ..]) => arn.to_owned(),
            _ => return None,
        };
        Some(Caller::new(&id, Proof::Iam))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_session_is_no_part_of_its_id() {
        let cases = [
            (
                "arn:aws:sts::123456789012:assumed-role/reader/i-0abc",
                "arn:aws:iam::123456789012:role/reader",
            ),
            (
                "arn:aws-us-gov:sts::123456789012:assumed-role/reader/a@b.example",
                "arn:aws-us-gov:iam::123456789012:role/reader",
            ),
            (
                "arn:aws-cn:iam::123456789012:user/team/anna",
                "arn:aws-cn:iam::123456789012:user/team/anna",
            ),
            (
                "arn:aws:sts::123456789012:federated-user/bob",
                "arn:aws:sts::123456789012:federated-user/bob",
            ),
            ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
        ];
        for (arn, id) in cases {
            assert_eq!(Caller::from_iam(arn), Some(Caller::new(id, Proof::Iam)));
        }
    }

    #[test]
    fn what_is_no_identity_of_iam_is_nobody() {
        let cases = [
            "",
            "local",
            "arn:aws:iam::123456789012",
            "arn:aws:iam:::role/reader",
            "arn:aws:sts::12345678901x:assumed-role/reader/session",
            "arn:aws:sts::123456789012:assumed-role/reader",
            "arn:aws:sts::123456789012:assumed-role/reader/",
            "arn:aws:sts::123456789012:assumed-role/path/reader/session",
            // Signers have sessions; a bare role signs nothing.
            "arn:aws:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:lambda:eu-west-1:123456789012:function:f",
        ];
        for arn in cases {
            assert_eq!(Caller::from_iam(arn), None, "{arn}");
        }
    }
}
