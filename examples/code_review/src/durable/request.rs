//! What starts a review, and how long it may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The event of the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run's name; the same name again goes on with the same run.
    pub run: String,
    /// What to review.
    pub source: Source,
    /// The model, where it is not each worker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Where the code to review is. An object of the workspace's part of the bucket is a file of the
/// mount, so both are paths in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `s3://BUCKET/PREFIX/…`: a folder or an archive among the workspace's objects.
    S3(String),
    /// A directory or an archive in the workspace.
    Path(String),
}

/// Longest name of a run, as the workers take it.
const NAME: usize = 64;

impl Request {
    /// Refuses what could not become a run.
    ///
    /// # Errors
    /// With what is wrong, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let run = &self.run;
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let starts_well = run.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && run.len() <= NAME && run.bytes().all(accepted) {
            return Ok(());
        }
        Err(format!(
            "`{run}` is no name of a run: 1 to {NAME} of A-Z a-z 0-9 . _ -, the first a letter or digit"
        ))
    }
}

impl Source {
    /// The path in the workspace, whose objects begin with `objects` (`s3://BUCKET/PREFIX/`).
    ///
    /// # Errors
    /// When an object is none of the workspace's.
    pub fn path(&self, objects: Option<&str>) -> Result<String, String> {
        let uri = match self {
            Source::Path(path) => return Ok(path.clone()),
            Source::S3(uri) => uri,
        };
        let Some(objects) = objects else {
            return Err(format!(
                "`{uri}`: CODE_REVIEW_OBJECTS is not set, which says what the workspace's objects are"
            ));
        };
        match uri
            .strip_prefix(objects.trim_end_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'))
        {
            Some(path) if !path.trim_matches('/').is_empty() => {
                Ok(path.trim_end_matches('/').to_owned())
            }
            _ => {
                Err(format!("`{uri}` is not among the workspace's objects: put it below {objects}"))
            }
        }
    }
}

/// How often to ask, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Invocations of one agent: a paused one goes on in the next.
    pub rounds: u32,
    /// Of these, those in a row that may fail, a pause apart.
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
        let path = |uri: &str| Source::S3(uri.to_owned()).path(objects);
        assert_eq!(
            path("s3://bucket/workspace/agents/incoming/app.tar.gz").unwrap(),
            "incoming/app.tar.gz"
        );
        assert_eq!(path("s3://bucket/workspace/agents/incoming/app/").unwrap(), "incoming/app");
        for other in [
            "s3://bucket/workspace/agents/",
            "s3://bucket/workspace/agentsx/a",
            "s3://other/a",
            "incoming/a",
        ] {
            assert!(path(other).is_err(), "{other}");
        }
        assert!(Source::S3("s3://bucket/a".to_owned()).path(None).is_err());
    }

    #[test]
    fn a_run_has_a_name_that_workers_take() {
        let check = |run: &str| {
            let source = Source::Path("incoming/app".to_owned());
            Request { run: run.to_owned(), source, model: None }.check()
        };
        check("2026-11-25.a_b").unwrap();
        for wrong in ["", ".hidden", "a/b", "..", "a b", &"x".repeat(65)] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_with_a_word_too_many_is_refused() {
        let event = |text: &str| serde_json::from_str::<Request>(text);
        event(r#"{"run":"a","source":{"s3":"s3://b/c"}}"#).unwrap();
        event(r#"{"run":"a","source":{"path":"incoming/c"},"model":"m"}"#).unwrap();
        event(r#"{"run":"a","source":{"path":"incoming/c"},"approved":true}"#).unwrap_err();
    }
}
