//! HTTP requests to a server elsewhere: a function URL with IAM authorization, an AgentCore
//! Gateway, or an HTTP API. They are signed with the AWS credentials of whoever runs the command
//! (Signature Version 4), or carry a bearer token where the server takes one.
//!
//! Nothing here knows what the requests are about. The server's own build does not contain this
//! crate.

mod place;
mod signature;

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use reqwest::Request;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;

pub use place::Place;
pub use reqwest::{Body, Method, Response, StatusCode, Url, header};

/// Longest time for a connection to come about.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Longest time for an answer: no function runs longer.
const ANSWER_TIME: Duration = Duration::from_secs(900);
/// Credentials that end sooner than this are asked for anew.
const FRESH: Duration = Duration::from_secs(60);

/// Why a request did not get an answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL is none that requests may be sent to.
    #[error("`{url}` is no URL of a server: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it, and what to give instead.
        reason: String,
    },
    /// Nothing says in which region the server is.
    #[error("no AWS region is known for `{0}`: give --region, or set AWS_REGION")]
    Region(String),
    /// No credentials, or they could not be fetched.
    #[error("no AWS credentials: {0}; sign in as for any AWS tool, such as `aws sso login`")]
    Credentials(String),
    /// The token is none.
    #[error("the bearer token is empty, or has characters that no header takes")]
    Token,
    /// The request could not be signed.
    #[error("the request cannot be signed: {0}")]
    Signature(String),
    /// The server could not be reached, or its answer broke off.
    #[error("no answer from {host}: {reason}")]
    Transport {
        /// The server.
        host: String,
        /// What went wrong on the way.
        reason: String,
        /// Whether the connection never came about, so that nothing can have happened there.
        before_sending: bool,
    },
    /// The answer is larger than the caller takes.
    #[error("the answer of {host} has more than {limit} bytes")]
    TooLarge {
        /// The server.
        host: String,
        /// The caller's limit.
        limit: usize,
    },
}

/// A server elsewhere, and what shows it who asks.
#[derive(Debug)]
pub struct Remote {
    place: Place,
    client: reqwest::Client,
    proof: Proof,
}

/// What shows a server who asks.
#[derive(Debug)]
enum Proof {
    /// A signature with AWS credentials.
    Signature {
        region: String,
        provider: SharedCredentialsProvider,
        credentials: Mutex<Option<Credentials>>,
    },
    /// A bearer token, as the whole header.
    Token(HeaderValue),
}

impl Remote {
    /// Finds credentials and region as every AWS tool does; the host's name tells the region
    /// where it can. Nothing is sent to the server yet.
    ///
    /// # Errors
    /// When the URL is none, or nothing says the region or the credentials.
    pub async fn connect(url: &str, region: Option<&str>) -> Result<Remote, RemoteError> {
        let place = Place::parse(url)?;
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(https);
        if let Some(region) = region.or(place.region()) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        let region = config.region().ok_or_else(|| RemoteError::Region(url.to_owned()))?;
        let provider = config.credentials_provider();
        let provider = provider.ok_or_else(|| RemoteError::Credentials("none found".to_owned()))?;
        let proof = Proof::Signature {
            region: region.to_string(),
            provider,
            credentials: Mutex::new(None),
        };
        Ok(Remote { client: client(&place)?, proof, place })
    }

    /// A server that takes a bearer token instead of a signature. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL is none, or the token cannot be sent.
    pub fn with_token(url: &str, token: &str) -> Result<Remote, RemoteError> {
        let place = Place::parse(url)?;
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| RemoteError::Token)?;
        if token.trim().is_empty() {
            return Err(RemoteError::Token);
        }
        value.set_sensitive(true);
        Ok(Remote { client: client(&place)?, proof: Proof::Token(value), place })
    }

    /// The server's URL.
    pub fn url(&self) -> &Url {
        self.place.url()
    }

    /// Signs and sends one request. `below` is a path, with its escapes and its query, below the
    /// server's URL; empty for that URL itself. An answer of any status is an answer.
    ///
    /// # Errors
    /// When there are no credentials, or no answer has begun.
    pub async fn send(
        &self,
        method: Method,
        below: &str,
        headers: HeaderMap,
        body: impl Into<Vec<u8>>,
    ) -> Result<Response, RemoteError> {
        let url = self.place.join(below)?;
        let body = body.into();
        let proof = match &self.proof {
            Proof::Token(value) => vec![(header::AUTHORIZATION, value.clone())],
            Proof::Signature { region, provider, credentials } => {
                let credentials = fresh(provider, credentials).await?;
                let (service, time) = (self.place.service(), SystemTime::now());
                let signer = signature::Signer { credentials, service, region, time };
                signer.headers(&method, &url, &headers, &body)?
            }
        };
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        request.headers_mut().extend(proof);
        *request.body_mut() = Some(body.into());
        self.client.execute(request).await.map_err(|error| self.place.failed(&error))
    }

    /// The body of an answer, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// When it has more, or breaks off.
    pub async fn whole(&self, mut answer: Response, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let mut whole = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.place.failed(&error))? {
            if whole.len() + piece.len() > limit {
                return Err(RemoteError::TooLarge { host: self.place.host().to_owned(), limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// What a body that broke off means.
    pub fn failed(&self, error: &reqwest::Error) -> RemoteError {
        self.place.failed(error)
    }
}

fn client(place: &Place) -> Result<reqwest::Client, RemoteError> {
    // A second one, where the program has its own, is refused and not needed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIME)
        .timeout(ANSWER_TIME)
        // A proof is for one host; whoever redirects is not the server that was named.
        .redirect(reqwest::redirect::Policy::none());
    if place.is_loopback() {
        client = client.no_proxy();
    }
    client.build().map_err(|error| place.failed(&error))
}

/// The credentials known, or new ones where those end soon.
async fn fresh(
    provider: &SharedCredentialsProvider,
    known: &Mutex<Option<Credentials>>,
) -> Result<Credentials, RemoteError> {
    let mut known = known.lock().await;
    let until = SystemTime::now() + FRESH;
    if let Some(credentials) = &*known
        && credentials.expiry().is_none_or(|end| end > until)
    {
        return Ok(credentials.clone());
    }
    let fresh = provider.provide_credentials().await;
    let fresh = fresh.map_err(|error| RemoteError::Credentials(place::chain(&error)))?;
    *known = Some(fresh.clone());
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refused_that_is_none_and_shown_to_nobody() {
        let url = "https://example.com/mcp";
        for bad in ["", " ", "a\nb"] {
            assert!(matches!(Remote::with_token(url, bad), Err(RemoteError::Token)), "{bad:?}");
        }
        assert!(Remote::with_token("http://example.com/mcp", "secret").is_err());
        let remote = Remote::with_token(url, "secret").unwrap();
        assert!(!format!("{remote:?}").contains("secret"));
    }
}
