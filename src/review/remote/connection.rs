//! Requests of the review API, and what their answers mean.

use std::time::Duration;

use mcp_workspace_remote::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use mcp_workspace_remote::{Method, Remote, RemoteError, StatusCode};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::review::message::{PATH, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Largest answer that is read. A function that does not stream gives six megabytes at most.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Pauses before a question is asked again that a busy function has not taken.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// Longest text of a foreign answer in a message, in characters.
const MAX_QUOTED: usize = 300;

/// The function, and the runtime on which its answers are waited for.
pub(super) struct Connection {
    remote: Remote,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Connection {
    /// Finds credentials and region.
    ///
    /// # Errors
    /// When the URL is none, or there are no credentials or no region.
    pub(super) fn open(url: &str, region: Option<&str>) -> anyhow::Result<Connection> {
        // The same URL serves MCP, and is often copied with its path.
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/mcp").unwrap_or(base);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let remote = runtime.block_on(Remote::connect(base, region))?;
        Ok(Connection { remote, runtime: Some(runtime) })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The function's own, or why there is no answer.
    pub(super) fn get<'q, T: DeserializeOwned>(
        &self,
        path: &str,
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
        call: &Call,
    ) -> Result<T, ToolError> {
        let pairs =
            query.into_iter().map(|(name, value)| format!("{name}={}", super::escaped(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        self.ask(&Method::GET, &format!("{}{mark}{query}", below(path)), &[], call)
    }

    /// Has something done. It is asked for again only where it certainly was not begun.
    ///
    /// # Errors
    /// As [`Connection::get`]; then it may have been done all the same, and the error says so.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        call: &Call,
    ) -> Result<T, ToolError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            ToolError::new(Code::Internal, "the request could not be written").caused_by(error)
        })?;
        self.ask(&Method::POST, &below(path), &body, call)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        below: &str,
        body: &[u8],
        call: &Call,
    ) -> Result<T, ToolError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            call.check()?;
            let answer = self.once(method, below, body, call)?;
            // A function that is throttled has not begun.
            let again = answer.status == StatusCode::TOO_MANY_REQUESTS
                || *method == Method::GET
                    && matches!(
                        answer.status,
                        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
                    );
            match pauses.next() {
                Some(pause) if again => std::thread::sleep(pause.min(call.time_left())),
                _ => return self.understand(method, answer),
            }
        }
    }

    fn once(
        &self,
        method: &Method,
        below: &str,
        body: &[u8],
        call: &Call,
    ) -> Result<Answer, ToolError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if *method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let asked = async {
            let answer = self.remote.send(method.clone(), below, headers, body).await?;
            let status = answer.status();
            let body = self.remote.whole(answer, MAX_ANSWER_BYTES).await?;
            Ok::<_, RemoteError>(Answer { status, body })
        };
        let Some(runtime) = &self.runtime else {
            return Err(ToolError::new(Code::Internal, "the connection has ended"));
        };
        let answered =
            runtime.block_on(async { tokio::time::timeout(call.time_left(), asked).await });
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let began = !matches!(
                    error,
                    RemoteError::Url { .. }
                        | RemoteError::Region(_)
                        | RemoteError::Credentials(_)
                        | RemoteError::Signature(_)
                        | RemoteError::Transport { before_sending: true, .. }
                );
                let error = ToolError::new(Code::Io, error.to_string());
                Err(if began { unsure(method, error) } else { error })
            }
            Err(_) => Err(unsure(
                method,
                ToolError::new(Code::Deadline, "the function did not answer in time"),
            )),
        }
    }

    fn understand<T: DeserializeOwned>(
        &self,
        method: &Method,
        Answer { status, body }: Answer,
    ) -> Result<T, ToolError> {
        if status == StatusCode::OK {
            return serde_json::from_slice(&body)
                .map_err(|error| unsure(method, misunderstood(&error.to_string())));
        }
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) {
            return Err(refusal.error);
        }
        let said = said(&body);
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                ToolError::new(Code::Denied, format!("the function knows no caller: {said}"))
            }
            StatusCode::FORBIDDEN => {
                ToolError::new(Code::Denied, format!("the request was refused: {said}")).hint(
                    "the credentials need lambda:InvokeFunctionUrl and lambda:InvokeFunction on \
                     the function, and this machine's clock must be right",
                )
            }
            StatusCode::NOT_FOUND => ToolError::new(
                Code::NotFound,
                format!("there is no review API at {}: {said}", self.remote.url()),
            )
            .hint("give the function's URL; the function must be of this version or a newer one"),
            status => unsure(
                method,
                ToolError::new(Code::Io, format!("the function answered {status}: {said}")),
            ),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Also where another runtime is at work, which must not be blocked.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn below(path: &str) -> String {
    if path.is_empty() { PATH.to_owned() } else { format!("{PATH}/{path}") }
}

/// An answer in another form than this version knows.
pub(super) fn misunderstood(why: &str) -> ToolError {
    ToolError::new(Code::Io, format!("the function's answer is not understood: {why}"))
        .hint("it may be of another version than this command")
}

/// What a question of this method may have done although the answer is lost.
fn unsure(method: &Method, error: ToolError) -> ToolError {
    if *method != Method::POST {
        return error;
    }
    error.hint("it may have been done all the same; the proposal's history tells")
}

/// The words of an answer that is not of the API: of AWS itself, or of another server.
fn said(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = ["error", "Message", "message"].iter().find_map(|name| json.get(name)?.as_str());
    let text = named.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_QUOTED).collect()
}
