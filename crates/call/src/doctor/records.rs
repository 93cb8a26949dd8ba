//! Whether records are safe where tools write them.

use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::Scope;
use mcp_workspace_tools::workspace::probe::{ProbeError, RecordFacts};

use super::{Check, OWNER_FIX, READ_ONLY_FIX};

/// How far the clocks of this machine and of the mount may be apart, in seconds: signatures and
/// tokens are believed for minutes, and tools compare times of files.
const MAX_CLOCK_SECONDS: u64 = 30;

pub(super) fn records_in(scope: &Scope, tool: &str, folders: &[WorkspacePath]) -> Check {
    for folder in folders {
        match scope.probe_records(folder) {
            Ok(Some(facts)) => return judge(tool, folder, facts),
            Ok(None) => {}
            Err(error) => return refused(tool, folder, error),
        }
    }
    let folders: Vec<_> = folders.iter().map(|folder| format!("`{folder}/**`")).collect();
    Check::warning(
        "write",
        format!("policy lists {tool} for this caller but lets it write nowhere"),
        format!("add {} to the role's `write`, or take the tool away", folders.join(" or ")),
    )
}

fn judge(tool: &str, folder: &WorkspacePath, facts: RecordFacts) -> Check {
    let RecordFacts { creators, rename_replaces, publishers, long_names, clock_ahead_seconds } =
        facts;
    let fix = "records are not safe on this file system: serve from S3 Files, EFS or a local disk";
    if creators != 1 {
        let detail = format!("{creators} of 8 writers created one name in `{folder}`; one should");
        return Check::failed("write", detail, fix);
    }
    if publishers != 1 {
        let detail =
            format!("{publishers} of 8 writers renamed a directory to one name in `{folder}`");
        return Check::failed("write", detail, fix);
    }
    if !rename_replaces {
        let detail = format!("a rename in `{folder}` did not replace a file whole");
        return Check::failed("write", detail, fix);
    }
    if !long_names {
        let detail = format!("a name of 255 bytes was refused in `{folder}`");
        return Check::failed("write", detail, fix);
    }
    if clock_ahead_seconds.unsigned_abs() > MAX_CLOCK_SECONDS {
        let side = if clock_ahead_seconds > 0 { "ahead of" } else { "behind" };
        let seconds = clock_ahead_seconds.unsigned_abs();
        let detail = format!("the mount's clock is {seconds} s {side} this machine's");
        return Check::failed("clock", detail, "set this machine's clock by a time server (NTP)");
    }
    Check::ok(
        "write",
        format!(
            "{tool} can write in `{folder}`: exclusive create and rename are atomic, clocks agree"
        ),
    )
}

fn refused(tool: &str, folder: &WorkspacePath, error: ProbeError) -> Check {
    let detail = format!("{tool} cannot write in `{folder}`: {error}");
    let fix = if error.is_read_only() {
        READ_ONLY_FIX.to_owned()
    } else if error.is_refusal() {
        format!("{OWNER_FIX}; or the role lacks s3files:ClientWrite")
    } else {
        "see whether the file system is full, and what it says in its own log".to_owned()
    };
    Check::failed("write", detail, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn what_a_file_system_breaks_is_told() {
        let folder = WorkspacePath::parse("output/findings/a").unwrap();
        let good = RecordFacts {
            creators: 1,
            rename_replaces: true,
            publishers: 1,
            long_names: true,
            clock_ahead_seconds: 0,
        };
        assert_eq!(judge("write_finding", &folder, good).outcome, Outcome::Ok);
        for (bad, words) in [
            (RecordFacts { creators: 3, ..good }, "3 of 8"),
            (RecordFacts { publishers: 0, ..good }, "0 of 8"),
            (RecordFacts { rename_replaces: false, ..good }, "did not replace"),
            (RecordFacts { long_names: false, ..good }, "255 bytes"),
            (RecordFacts { clock_ahead_seconds: -90, ..good }, "90 s behind"),
        ] {
            let check = judge("write_finding", &folder, bad);
            assert_eq!(check.outcome, Outcome::Failed);
            assert!(check.detail.contains(words), "{}", check.detail);
        }
    }
}
