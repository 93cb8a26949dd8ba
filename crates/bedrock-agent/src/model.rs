//! What the loop needs of a model, wherever that is.

use std::time::Duration;

use crate::bedrock::Bedrock;
use crate::budget::Usage;
use crate::conversation::Block;
use crate::failure::Failure;
use crate::messages::Messages;
use crate::question::Question;

/// A model that answers conversations. A question serialises as the body of Converse; whoever
/// speaks another language puts that into it.
pub trait Model: Send + Sync {
    /// Asks once.
    fn ask(&self, question: &Question<'_>) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// How long to wait with the next request, so that all workers of this process together ask no
    /// more often than they are answered.
    fn turn(&self) -> Duration {
        Duration::ZERO
    }
}

/// What the model answered.
#[derive(Debug)]
pub struct Reply {
    /// What it said and which tools it calls.
    pub content: Vec<Block>,
    /// Why it stopped, in Converse's words.
    pub stop_reason: String,
    /// Tokens, as the service counted them.
    pub usage: Usage,
    /// How long it took.
    pub latency_ms: i64,
}

/// The services that the command line knows.
pub enum Service {
    /// Converse.
    Bedrock(Bedrock),
    /// The Messages API at some endpoint.
    Messages(Box<Messages>),
}

impl Model for Service {
    async fn ask(&self, question: &Question<'_>) -> Result<Reply, Failure> {
        match self {
            Service::Bedrock(bedrock) => bedrock.ask(question).await,
            Service::Messages(messages) => messages.ask(question).await,
        }
    }

    fn turn(&self) -> Duration {
        match self {
            Service::Bedrock(bedrock) => bedrock.turn(),
            Service::Messages(messages) => messages.turn(),
        }
    }
}
