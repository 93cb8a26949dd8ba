//! The body of a request as it comes. It has one time limit for all of it, which a peer that sends
//! a byte now and then does not prolong.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::table::Place;

/// Time for the body of a request, from its head on: the largest takes 210 KB a second.
const BODY_TIME: Duration = Duration::from_secs(20);

/// The body did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's body did not come within {} seconds", BODY_TIME.as_secs())]
pub(crate) struct TooSlow;

pub(super) struct RequestBody {
    body: Incoming,
    end: Pin<Box<Sleep>>,
    place: Arc<Place>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, place: Arc<Place>) -> RequestBody {
        if body.is_end_stream() {
            place.asked();
        }
        RequestBody { body, end: Box::pin(tokio::time::sleep(BODY_TIME)), place }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.place.asked();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    /// Nobody asks for the rest.
    fn drop(&mut self) {
        self.place.asked();
    }
}
