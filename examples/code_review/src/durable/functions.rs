//! The workers: a Lambda function for each role, invoked by the durable execution service.

use std::collections::BTreeMap;

use aws_durable_execution_sdk::{BoxError, DurableContext};
use serde_json::Value;

use crate::agents::Agent;

/// Which function does a role's work.
#[derive(Debug, Clone, Default)]
pub struct Functions(BTreeMap<String, String>);

impl Functions {
    /// Reads `{"ROLE": "FUNCTION", …}`, with names or ARNs of functions.
    ///
    /// # Errors
    /// With what is wrong with the text.
    pub fn parse(text: &str) -> Result<Functions, String> {
        let functions = serde_json::from_str(text);
        functions
            .map(Functions)
            .map_err(|error| format!("{error}: it is {{\"ROLE\": \"FUNCTION\", ...}}"))
    }

    /// Asks an agent's worker: the execution sleeps until the function has answered.
    ///
    /// # Errors
    /// When the role has no function, or the function failed.
    pub async fn ask(
        &self,
        context: &DurableContext,
        name: String,
        agent: &Agent,
        event: Value,
    ) -> Result<Value, BoxError> {
        let role = agent.role.as_str();
        let Some(function) = self.0.get(role) else {
            return Err(format!(
                "no function works as `{role}`; CODE_REVIEW_WORKERS names one for each role"
            )
            .into());
        };
        Ok(context.invoke::<Value, Value>(function.as_str(), event).name(name).await?)
    }
}
