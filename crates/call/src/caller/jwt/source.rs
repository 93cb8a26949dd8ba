//! Where an issuer's keys come from, and how long they are trusted.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use super::JwtError;
use super::fetch::{self, Location};
use super::keys::{Choice, KeySet};
use super::setup_error::SetupError;

/// How long keys are used before they are read again: so long at most a key lives on that its
/// issuer has taken back.
const FRESH: Duration = Duration::from_secs(600);
/// How long keys are used while their source does not answer.
const USABLE: Duration = Duration::from_secs(3_600);
/// How often at most a token with an unknown key makes the server read the keys again, and how
/// often it tries a source that failed.
const INTERVAL: Duration = Duration::from_secs(30);

/// Where the keys are.
#[derive(Debug)]
pub enum Source {
    /// Here, as a JSON Web Key Set. They never change.
    Inline(String),
    /// In a file, which may be replaced.
    File(PathBuf),
    /// Behind a URL, such as the `jwks_uri` of the issuer's metadata.
    Url(Location),
}

/// The keys, read when they are needed.
#[derive(Debug)]
pub(super) struct Keys {
    source: Source,
    state: RwLock<State>,
    /// Held while keys are read: many requests wait for one reading.
    reading: Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct State {
    keys: Option<Arc<KeySet>>,
    /// When they were read.
    read: Option<SystemTime>,
    /// When reading failed last, since it last succeeded.
    failed: Option<SystemTime>,
    /// When an unknown key last made the server read.
    asked: Option<SystemTime>,
}

/// Wall time, since Lambda stops other clocks between invocations. A clock that was set back
/// counts as a long time.
fn age(time: Option<SystemTime>) -> Duration {
    time.and_then(|time| time.elapsed().ok()).unwrap_or(Duration::MAX)
}

impl Keys {
    /// Keys of this source. What lies on this machine is read now, to fail at once.
    pub(super) fn new(source: Source) -> Result<Keys, SetupError> {
        let mut state = State::default();
        let text = match &source {
            Source::Inline(text) => Some(text.clone().into_bytes()),
            Source::File(file) => Some(read(file)?),
            Source::Url(_) => None,
        };
        if let Some(text) = text {
            state.keys = Some(Arc::new(KeySet::parse(&text)?));
            state.read = Some(SystemTime::now());
        }
        Ok(Keys { source, state: RwLock::new(state), reading: Mutex::new(()) })
    }

    /// The key for a token.
    pub(super) async fn find(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<DecodingKey, JwtError> {
        self.refresh(|state| age(state.read) > FRESH && age(state.failed) > INTERVAL).await;
        let state = self.state();
        match usable(&state)?.choose(algorithm, id) {
            Choice::Key(key) => return Ok(key.clone()),
            Choice::Unclear => {
                return Err(JwtError::Invalid(
                    "the token names no key (`kid`), and its issuer has several",
                ));
            }
            Choice::Unknown => {}
        }
        let unknown = JwtError::Invalid("the token's key is not among its issuer's");
        let before = state.read;
        self.refresh(|state| {
            // Somebody else may have read them while this one waited.
            state.read == before && age(state.asked) > INTERVAL && age(state.failed) > INTERVAL
        })
        .await;
        self.change(|state| {
            if state.read != before {
                state.asked = state.read;
            }
        });
        let state = self.state();
        match usable(&state)?.choose(algorithm, id) {
            Choice::Key(key) => Ok(key.clone()),
            Choice::Unclear | Choice::Unknown => Err(unknown),
        }
    }

    /// Reads the keys again where `due` says so, one reader at a time.
    async fn refresh(&self, due: impl Fn(&State) -> bool) {
        if matches!(self.source, Source::Inline(_)) || !due(&self.state()) {
            return;
        }
        let _reading = self.reading.lock().await;
        if !due(&self.state()) {
            return;
        }
        let read = match &self.source {
            Source::Inline(_) => return,
            Source::File(file) => read(file),
            Source::Url(location) => fetch::get(location).await,
        };
        match read.and_then(|text| KeySet::parse(&text)) {
            // The whole set: a key that is no longer in it is not believed any more.
            Ok(keys) => self.change(|state| {
                state.keys = Some(Arc::new(keys));
                state.read = Some(SystemTime::now());
                state.failed = None;
            }),
            Err(error) => {
                tracing::warn!(error = error.to_string(), "the issuer's keys cannot be read");
                self.change(|state| state.failed = Some(SystemTime::now()));
            }
        }
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn usable(state: &State) -> Result<&KeySet, JwtError> {
    // A source that cannot be read keeps its keys alive for a while, not for ever.
    let too_old = state.failed.is_some() && age(state.read) > USABLE;
    state.keys.as_deref().filter(|_| !too_old).ok_or(JwtError::NoKeys)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, SetupError> {
    std::fs::read(file).map_err(|cause| SetupError::File { file: file.clone(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(id: &str) -> String {
        let part = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let key = format!("\"crv\":\"P-256\",\"x\":\"{part}\",\"y\":\"{part}\"");
        format!("{{\"keys\":[{{\"kty\":\"EC\",\"kid\":\"{id}\",{key}}}]}}")
    }

    fn ago(seconds: u64) -> Option<SystemTime> {
        SystemTime::now().checked_sub(Duration::from_secs(seconds))
    }

    fn state(read: u64, failed: Option<u64>) -> State {
        State {
            keys: Some(Arc::new(KeySet::parse(set("a").as_bytes()).unwrap())),
            read: ago(read),
            failed: failed.and_then(ago),
            asked: None,
        }
    }

    #[tokio::test]
    async fn old_keys_are_read_again_and_dropped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set("old")).unwrap();
        let keys = Keys::new(Source::File(file.path().to_owned())).unwrap();
        std::fs::write(file.path(), set("new")).unwrap();
        assert!(keys.find(Algorithm::ES256, Some("old")).await.is_ok());
        keys.change(|state| state.read = ago(599));
        assert!(keys.find(Algorithm::ES256, Some("old")).await.is_ok());
        keys.change(|state| state.read = ago(601));
        assert!(keys.find(Algorithm::ES256, Some("old")).await.is_err());
        assert!(keys.find(Algorithm::ES256, Some("new")).await.is_ok());
    }

    #[tokio::test]
    async fn unknown_keys_are_looked_for_again_after_a_while() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set("old")).unwrap();
        let keys = Keys::new(Source::File(file.path().to_owned())).unwrap();
        assert!(keys.find(Algorithm::ES256, Some("new")).await.is_err());
        std::fs::write(file.path(), set("new")).unwrap();
        assert!(keys.find(Algorithm::ES256, Some("new")).await.is_err());
        keys.change(|state| state.asked = ago(31));
        assert!(keys.find(Algorithm::ES256, Some("new")).await.is_ok());
    }

    #[test]
    fn old_keys_are_used_while_the_source_is_away_but_not_for_ever() {
        assert!(usable(&state(0, None)).is_ok());
        assert!(usable(&state(3_000, Some(1))).is_ok());
        assert_eq!(usable(&state(3_700, Some(1))).err(), Some(JwtError::NoKeys));
        assert_eq!(usable(&State::default()).err(), Some(JwtError::NoKeys));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_keys_old() {
        assert_eq!(age(SystemTime::now().checked_add(Duration::from_secs(90))), Duration::MAX);
        assert_eq!(age(None), Duration::MAX);
    }
}
