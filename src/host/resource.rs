//! The server as an OAuth protected resource: its metadata (RFC 9728), and how it answers a
//! request whose caller is not proven, or may do nothing.
//!
//! The metadata is served only where access tokens are accepted, because clients that find it throw
//! a static token away.

use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::Response;
use mcp_workspace_tools::policy::Policy;
use serde_json::json;

use super::reply::{self, refusal};
use crate::caller::Caller;
use crate::caller::bearer::BearerError;
use crate::caller::jwt::{Jwt, JwtError};

/// Where clients look for the metadata: of the whole host, and of the endpoint.
pub(super) const METADATA_PATHS: [&str; 2] =
    ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];

/// The server as its clients know it.
pub(super) struct Resource<'a> {
    /// The proof by access tokens.
    pub jwt: &'a Jwt,
    /// Who may do what, which says the scopes.
    pub policy: &'a Policy,
    /// The endpoint's URL, where the settings name none.
    pub url: &'a str,
}

impl Resource<'_> {
    fn url(&self) -> &str {
        self.jwt.resource().unwrap_or(self.url)
    }

    /// The metadata: where to get tokens, and which.
    pub(super) fn metadata(&self) -> Response {
        let mut metadata = json!({
            "resource": self.url(),
            "authorization_servers": [self.jwt.issuer()],
            "bearer_methods_supported": ["header"],
            "resource_name": "mcp-workspace",
        });
        let scopes = self.policy.scopes();
        if !scopes.is_empty()
            && let Some(fields) = metadata.as_object_mut()
        {
            fields.insert("scopes_supported".to_owned(), json!(scopes));
        }
        reply::json(StatusCode::OK, &metadata)
    }

    /// The caller that the request's token proves and that has a role, or the answer.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
        let caller = self.jwt.identify(headers).await;
        let caller = caller.map_err(|error| self.unauthorized(&error))?;
        match self.insufficient_scope(&caller) {
            Some(answer) => Err(Box::new(answer)),
            None => Ok(caller),
        }
    }

    /// The answer to a request whose token does not prove a caller.
    fn unauthorized(&self, error: &JwtError) -> Response {
        tracing::info!(reason = %error, "no caller");
        if *error == JwtError::NoKeys {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
            return response;
        }
        // Who has not tried gets no error, as RFC 6750 wants it, but the scopes to ask for.
        let detail = match error {
            JwtError::Bearer(BearerError::Missing) => String::new(),
            error => {
                let text = error.to_string().replace(['"', '\\'], "'");
                format!(", error=\"invalid_token\", error_description=\"{text}\"")
            }
        };
        let scopes = self.policy.scopes().join(" ");
        let scope = if scopes.is_empty() { scopes } else { format!(", scope=\"{scopes}\"") };
        let response = refusal(StatusCode::UNAUTHORIZED, &error.to_string());
        self.challenge(response, &format!("{detail}{scope}"))
    }

    /// The answer to a caller whom only missing scopes keep from every role; none for others.
    fn insufficient_scope(&self, caller: &Caller) -> Option<Response> {
        let scopes = self.policy.wanted_scopes(caller)?.join(" ");
        let text = format!("the token lacks scopes: `{scopes}` are needed for any tool");
        let response = refusal(StatusCode::FORBIDDEN, &text);
        let detail = format!(", error=\"insufficient_scope\", scope=\"{scopes}\"");
        Some(self.challenge(response, &detail))
    }

    /// A function URL renames this header, so its clients find the metadata by its path.
    fn challenge(&self, mut response: Response, detail: &str) -> Response {
        let [_, path] = METADATA_PATHS;
        let url = self.url();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split_once('/').map_or(host, |(host, _)| host);
        let scheme = if url.starts_with("http://") { "http" } else { "https" };
        let text = format!("Bearer resource_metadata=\"{scheme}://{host}{path}\"{detail}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}
