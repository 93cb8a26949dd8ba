//! How a host proves who calls, before any route runs.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use mcp_workspace_tools::hex::hex;
use sha2::{Digest, Sha256};

use super::names::Own;
use super::reply::refusal;
use super::resource::Resource;
use crate::caller::bearer;
use crate::caller::delegation::Delegation;
use crate::caller::jwt::Jwt;
use crate::caller::{Caller, Proof, Signed};
use crate::dispatch::Dispatcher;

/// Names of bearer tokens by the SHA-256 of the token, in lower-case hex.
pub(crate) type TokenNames = HashMap<String, String>;

/// How a caller is proven.
#[derive(Debug)]
pub(crate) enum Proving {
    /// Not at all: whoever reaches the server is on the same machine.
    Loopback,
    /// By one of the operator's tokens.
    Tokens(TokenNames),
    /// By an access token of an issuer.
    Jwt(Box<Jwt>),
    /// By IAM alone, which has checked a request before it comes here: see [`Signed`].
    Iam,
}

/// What proves callers.
pub(crate) struct Identity {
    /// How.
    pub proving: Proving,
    /// Who may speak for others.
    pub delegation: Delegation,
    /// Whose policy says who has a role.
    pub dispatcher: Arc<Dispatcher>,
}

/// Proves who calls and passes it on beside the request, or refuses it.
pub(crate) async fn prove(
    State(identity): State<Arc<Identity>>,
    Extension(own): Extension<Own>,
    mut request: Request,
    next: Next,
) -> Response {
    let signed = request.extensions().get::<Signed>().cloned();
    match identity.caller(signed, request.headers(), &own).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(answer) => *answer,
    }
}

/// The metadata of the resource, where tokens of an issuer prove callers.
pub(crate) async fn metadata(
    State(identity): State<Arc<Identity>>,
    Extension(own): Extension<Own>,
) -> Response {
    match &identity.proving {
        Proving::Jwt(jwt) => identity.resource(jwt, &own).metadata(),
        // Where nobody can get a token there is no metadata to find.
        Proving::Loopback | Proving::Tokens(_) | Proving::Iam => {
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

impl Identity {
    fn resource<'a>(&'a self, jwt: &'a Jwt, own: &'a Own) -> Resource<'a> {
        Resource { jwt, policy: self.dispatcher.policy(), url: &own.url }
    }

    /// The caller, or the answer to a request that has none.
    async fn caller(
        &self,
        signed: Option<Signed>,
        headers: &HeaderMap,
        own: &Own,
    ) -> Result<Caller, Box<Response>> {
        let caller = match (signed, &self.proving) {
            (Some(Signed(signer)), _) => signer.ok_or_else(signature_needed)?,
            (None, Proving::Iam) => return Err(signature_needed().into()),
            (None, Proving::Loopback) => Caller::new(Caller::LOCAL, Proof::Loopback),
            // Looking up a hash tells nothing about the token by its time.
            (None, Proving::Tokens(names)) => bearer::token(headers)
                .ok()
                .and_then(|token| names.get(&hash_of(token)))
                .map(|name| Caller::new(name, Proof::Token))
                .ok_or_else(token_needed)?,
            (None, Proving::Jwt(jwt)) => self.resource(jwt, own).caller(headers).await?,
        };
        let resolved = self.delegation.resolve(caller, headers, self.dispatcher.policy());
        Ok(resolved.map_err(|error| refusal(StatusCode::FORBIDDEN, &error.to_string()))?)
    }
}

/// The challenge names no metadata: with a static token there is no issuer to ask.
fn token_needed() -> Response {
    let text = "a valid bearer token is needed: Authorization: Bearer TOKEN";
    let mut response = refusal(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn signature_needed() -> Response {
    refusal(
        StatusCode::UNAUTHORIZED,
        "no caller: sign the request with IAM credentials (SigV4, service `lambda`); the function \
         URL's auth type must be AWS_IAM, or the function must know an issuer of access tokens \
         (MCP_WORKSPACE_JWT_ISSUER)",
    )
}

/// The form in which tokens are stored.
pub(crate) fn hash_of(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
