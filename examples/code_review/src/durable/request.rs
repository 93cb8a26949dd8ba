//! The event that starts a code review, and how long the code review may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::path::WorkspacePath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stage::Source;

/// The event of the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run's name; the same name again goes on with the same run.
    pub run: Name,
    /// What to review.
    pub source: Origin,
    /// The model, where it is not each worker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// With what is wrong, and what would be right.
    pub fn parse(event: Value) -> Result<Request, String> {
        serde_json::from_value(event).map_err(|error| {
            format!("{error}: the event is {{\"run\", \"source\": {{\"s3\"}} or {{\"path\"}}}}, with \"model\" if need be")
        })
    }
}

/// Where the code to review is. An object of the workspace's part of the bucket is a file of the
/// mount, so both are paths in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `s3://BUCKET/PREFIX/…`: a folder or an archive among the workspace's objects.
    S3(String),
    /// A directory or an archive in the workspace.
    Path(String),
}

impl Origin {
    /// The sources in a workspace whose root is `root` and whose objects begin with `objects`.
    ///
    /// # Errors
    /// When it is not in the workspace, or not there.
    pub fn source(&self, root: &Path, objects: Option<&str>) -> Result<Source, String> {
        let path = self.path(objects)?;
        let place = real(root, root)?;
        let found = real(&root.join(path.as_str()), root)?;
        // Whoever can write to the bucket can leave a link in the mount.
        if !found.starts_with(&place) {
            return Err(format!("`{path}` leads out of the workspace"));
        }
        Source::at(&found).map_err(|error| error.to_string())
    }

    fn path(&self, objects: Option<&str>) -> Result<WorkspacePath, String> {
        let path = match (self, objects) {
            (Origin::Path(path), _) => path.as_str(),
            (Origin::S3(uri), None) => {
                return Err(format!(
                    "`{uri}`: CODE_REVIEW_OBJECTS is not set, which says where the workspace's objects are"
                ));
            }
            (Origin::S3(uri), Some(objects)) => {
                let rest = uri.strip_prefix(objects.trim_end_matches('/'));
                let rest = rest.and_then(|rest| rest.strip_prefix('/'));
                rest.ok_or_else(|| {
                    format!("`{uri}` is not among the workspace's objects: put it below {objects}")
                })?
            }
        };
        match WorkspacePath::parse(path.trim_end_matches('/')) {
            Ok(parsed) if !parsed.is_root() => Ok(parsed),
            Ok(_) => {
                Err("the source is the whole workspace: name a folder or an archive in it"
                    .to_owned())
            }
            Err(error) => Err(format!("the source `{path}`: {error}")),
        }
    }
}

fn real(path: &Path, root: &Path) -> Result<PathBuf, String> {
    let name = path.strip_prefix(root).unwrap_or(path);
    std::fs::canonicalize(path).map_err(|error| {
        format!("the source `{}` cannot be opened: {error}. An object comes to the mount some seconds after its upload", name.display())
    })
}

/// How often to ask, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Invocations of one agent: a paused one goes on in the next.
    pub rounds: u32,
    /// Of these, those in a row that may fail or end for a passing reason, a pause apart.
    pub failures: u32,
    /// Between an invocation that failed and the next.
    pub pause: Duration,
    /// How long a callback waits for people before the decisions are looked at again.
    pub wait: Duration,
    /// How many callbacks to wait for.
    pub waits: u32,
}

impl Default for Settings {
    /// Five hours of a model's work, and two weeks for people.
    fn default() -> Settings {
        Settings {
            rounds: 20,
            failures: 3,
            pause: Duration::from_secs(60),
            wait: Duration::from_secs(24 * 60 * 60),
            waits: 14,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_paths_of_the_mount() {
        let objects = Some("s3://bucket/workspace/agents/");
        let path =
            |uri: &str| Origin::S3(uri.to_owned()).path(objects).map(|path| path.to_string());
        assert_eq!(
            path("s3://bucket/workspace/agents/incoming/app.tar.gz").unwrap(),
            "incoming/app.tar.gz"
        );
        assert_eq!(path("s3://bucket/workspace/agents/incoming/app/").unwrap(), "incoming/app");
        for other in [
            "s3://bucket/workspace/agents/",
            "s3://bucket/workspace/agentsx/a",
            "s3://bucket/workspace/agents/../a",
            "s3://other/a",
            "incoming/a",
        ] {
            assert!(path(other).is_err(), "{other}");
        }
        assert!(Origin::S3("s3://bucket/a".to_owned()).path(None).is_err());
    }

    #[test]
    fn nothing_outside_of_the_workspace_is_a_source() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path().join("workspace");
        std::fs::create_dir_all(root.join("incoming/app")).unwrap();
        std::fs::write(root.join("incoming/app.tar.gz"), "").unwrap();
        std::fs::create_dir(machine.path().join("secrets")).unwrap();
        std::os::unix::fs::symlink(machine.path().join("secrets"), root.join("incoming/link"))
            .unwrap();
        let source = |path: &str| Origin::Path(path.to_owned()).source(&root, None);
        assert!(matches!(source("incoming/app").unwrap(), Source::Directory(_)));
        assert!(matches!(source("incoming/app.tar.gz").unwrap(), Source::Archive(_)));
        for wrong in ["incoming/link", "../secrets", "/etc", "incoming/none", "", "."] {
            assert!(source(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_says_what_is_wrong_with_it() {
        let parse = |text: &str| Request::parse(serde_json::from_str(text).unwrap());
        parse(r#"{"run":"a","source":{"s3":"s3://b/c"}}"#).unwrap();
        parse(r#"{"run":"a","source":{"path":"incoming/c"},"model":"m"}"#).unwrap();
        for wrong in [
            r#"{"run":"a","source":{"path":"incoming/c"},"approved":true}"#,
            r#"{"run":"../a","source":{"path":"incoming/c"}}"#,
            r#"{"source":{"path":"incoming/c"}}"#,
            r#"[]"#,
        ] {
            assert!(parse(wrong).unwrap_err().contains("the event is"), "{wrong}");
        }
    }
}
