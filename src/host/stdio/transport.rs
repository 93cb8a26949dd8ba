//! rmcp's transport over lines, behind the limits of messages: what is over them is answered, and
//! the connection goes on.

use std::pin::Pin;

use mcp_workspace_json::Limits;
use mcp_workspace_tools::error::ToolError;
use rmcp::model::{ErrorData, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::lines::{Lines, Refusal};

type Sending = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

pub(super) struct Transport<R: AsyncRead + Unpin, W: AsyncWrite> {
    inner: AsyncRwTransport<RoleServer, Lines<R>, W>,
    refusals: mpsc::Receiver<Refusal>,
    /// The answer to a refused message; it outlives a `receive` that is given up.
    answer: Option<Sending>,
}

impl<R, W> Transport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub(super) fn new(from: R, to: W) -> Transport<R, W> {
        let (send, refusals) = mpsc::channel(1);
        let lines = Lines::new(from, Limits::MESSAGE, send);
        Transport { inner: AsyncRwTransport::new(lines, to), refusals, answer: None }
    }
}

fn answer_to(refusal: Refusal) -> TxJsonRpcMessage<RoleServer> {
    let Refusal { exceeded, id } = refusal;
    tracing::warn!(%exceeded, "a message was not read");
    let error = ToolError::invalid(exceeded.to_string()).hint(exceeded.hint());
    let id = id.and_then(|id| serde_json::from_value::<RequestId>(id).ok());
    TxJsonRpcMessage::<RoleServer>::error(ErrorData::invalid_request(error.to_text(), None), id)
}

impl<R, W> rmcp::transport::Transport<RoleServer> for Transport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = std::io::Result<()>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(answer) = &mut self.answer {
                let sent = answer.await;
                self.answer = None;
                sent.ok()?;
            }
            tokio::select! {
                biased;
                Some(refusal) = self.refusals.recv() => {
                    self.answer = Some(Box::pin(self.inner.send(answer_to(refusal))));
                }
                message = self.inner.receive() => return message,
            }
        }
    }

    async fn close(&mut self) -> std::io::Result<()> {
        self.inner.close().await
    }
}
