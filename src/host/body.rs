//! Bodies of requests, read whole within limits.

use std::error::Error;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use mcp_workspace_tools::error::{Code, ToolError};

use super::connections::TooSlow;
use super::reply::status_of;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread<E> {
    /// It has more bytes than may be.
    #[error("the request's body has more than {0} bytes")]
    TooLarge(usize),
    /// It did not come in time.
    #[error(transparent)]
    TooSlow(TooSlow),
    /// The peer went away, or broke its own framing.
    #[error("the request's body broke off")]
    Broken,
    /// There was no room for it.
    #[error("there is no room for the request's body")]
    NoRoom(E),
}

impl<E> Unread<E> {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Unread::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Unread::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Unread::Broken => StatusCode::BAD_REQUEST,
            Unread::NoRoom(_) => status_of(Code::Overloaded),
        }
    }

    /// The error in the answer.
    pub(crate) fn error(&self) -> ToolError
    where
        E: std::fmt::Debug,
    {
        let message = self.to_string();
        match self {
            Unread::TooLarge(_) => ToolError::new(Code::TooLarge, message)
                .hint("send less at once: several smaller requests"),
            Unread::TooSlow(_) | Unread::Broken => ToolError::invalid(message)
                .hint("send the body whole, as long as `content-length` says"),
            Unread::NoRoom(_) => {
                ToolError::new(Code::Overloaded, message).hint("try again in a few seconds")
            }
        }
    }
}

/// Reads a body of at most so many bytes. Before bytes are kept, `room` is asked for them.
///
/// # Errors
/// Why it could not be read.
pub(crate) async fn read_whole<E>(
    mut body: Body,
    most: usize,
    mut room: impl FnMut(usize) -> Result<(), E>,
) -> Result<Bytes, Unread<E>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| slow(&error).map_or(Unread::Broken, Unread::TooSlow))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if bytes.len() > most.saturating_sub(whole.len()) {
            return Err(Unread::TooLarge(most));
        }
        room(bytes.len()).map_err(Unread::NoRoom)?;
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.into())
}

/// The cause, where it is that the peer was too slow.
fn slow(error: &axum::Error) -> Option<TooSlow> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(slow) = error.downcast_ref::<TooSlow>() {
            return Some(*slow);
        }
        cause = error.source();
    }
    None
}
