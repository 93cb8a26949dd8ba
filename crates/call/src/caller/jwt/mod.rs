//! Callers with an access token: a JWT that the configured issuer signed for this server. The
//! server is only a resource: it does not issue tokens and does not pass them on.

mod claims;
mod fetch;
mod keys;
mod setup_error;
mod signature;
mod source;

use std::time::Duration;

use http::Uri;
use http::header::HeaderMap;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};

use super::bearer::{self, BearerError};
use super::{Caller, Proof};
use claims::Claims;
use source::Keys;

pub use fetch::Location;
pub use setup_error::SetupError;
pub use source::Source;

/// Which issuer is trusted, and for which tokens.
#[derive(Debug)]
pub struct Settings {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// What this server is called in tokens; one must be in the token.
    pub audiences: Vec<String>,
    /// The algorithms that a token may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// By how much the issuer's clock may differ from this machine's.
    pub clock_skew: Duration,
    /// The URL of this server as an OAuth resource, where it is not the host's own.
    pub resource: Option<String>,
    /// Where the issuer's keys are.
    pub keys: Source,
}

/// The proof by access tokens.
#[derive(Debug)]
pub struct Jwt {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    clock_skew: Duration,
    resource: Option<String>,
    keys: Keys,
}

/// Why no caller is proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// No token, or nothing that could be one.
    #[error(transparent)]
    Bearer(#[from] BearerError),
    /// A token that is not believed.
    #[error("{0}")]
    Invalid(&'static str),
    /// Nobody can be believed, since there are no keys.
    #[error("the issuer's keys cannot be had at the moment; try again")]
    NoKeys,
}

impl Jwt {
    /// The proof by these settings. Keys that lie on this machine are read now.
    ///
    /// # Errors
    /// With the setting that is wrong.
    pub fn new(settings: Settings) -> Result<Jwt, SetupError> {
        signature::install();
        let Settings { issuer, audiences, algorithms, clock_skew, resource, keys } = settings;
        check_issuer(&issuer)?;
        if audiences.is_empty() || audiences.iter().any(|audience| audience.trim().is_empty()) {
            return Err(SetupError::Setting(
                "the audience of tokens is empty: name this server as its issuer does".to_owned(),
            ));
        }
        if algorithms.is_empty() || !algorithms.iter().all(|one| signature::is_asymmetric(*one)) {
            return Err(SetupError::Setting(
                "the algorithms of tokens must be asymmetric, such as RS256 or ES256".to_owned(),
            ));
        }
        if let Some(resource) = &resource {
            check_resource(resource)?;
        }
        // An audience that is the URL of an MCP endpoint is this server's name for clients.
        let named = || audiences.iter().find(|one| check_resource(one).is_ok()).cloned();
        let resource = resource.or_else(named);
        let keys = Keys::new(keys)?;
        Ok(Jwt { issuer, audiences, algorithms, clock_skew, resource, keys })
    }

    /// The issuer, which clients ask for tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// This server's URL as an OAuth resource, where the settings name one.
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// The caller that the request's token proves: `jwt:ISSUER#sub=SUB`, with its scopes.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Caller, JwtError> {
        let token = bearer::token(headers)?;
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| JwtError::Invalid("the token is no JWT signed by a known algorithm"))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(JwtError::Invalid("the token's algorithm is not accepted here"));
        }
        check_header(&header)?;
        let key = self.keys.find(header.alg, header.kid.as_deref()).await?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|error| JwtError::Invalid(reason(error.kind())))?;
        let claims = decoded.claims;
        // Compared here, as one text: the crate would also take a list. Whose subject were it?
        if claims.iss != self.issuer {
            return Err(JwtError::Invalid("the token is of another issuer"));
        }
        // Whoever has only seen such a token must not pass for its owner.
        if claims.is_bound {
            return Err(JwtError::Invalid(
                "the token is bound to a key (`cnf`), whose proof is not verified here: ask the \
                 issuer for a bearer token that is not bound",
            ));
        }
        if !claims.has_plain_subject() {
            return Err(JwtError::Invalid(
                "the token's subject is not 1 to 255 letters, digits and `-_.@|:/+=~`",
            ));
        }
        let id = format!("jwt:{}#sub={}", self.issuer, claims.sub);
        Ok(Caller::new(&id, Proof::Jwt).with_scopes(claims.scopes()))
    }
}

/// A token that says what it is must be an access token. Many issuers say only `JWT`, and some
/// nothing; then the audience tells.
fn check_header(header: &Header) -> Result<(), JwtError> {
    if let Some(kind) = header.typ.as_deref() {
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !matches!(kind, "jwt" | "at+jwt") {
            return Err(JwtError::Invalid("the token is no access token, by its `typ`"));
        }
    }
    // Whoever does not know an extension that is marked critical must refuse: none is known.
    if header.crit.is_some() || header.extras.inner().contains_key("b64") {
        return Err(JwtError::Invalid("the token needs an extension that is not known here"));
    }
    if header.enc.is_some() || header.zip.is_some() {
        return Err(JwtError::Invalid("the token is encrypted or compressed"));
    }
    Ok(())
}

fn check_issuer(issuer: &str) -> Result<(), SetupError> {
    let plain = issuer.bytes().all(|byte| byte.is_ascii_graphic())
        && !issuer.contains(['#', '?', '*', '"', '\\']);
    if !plain || Location::parse(issuer).is_err() {
        return Err(SetupError::Setting(format!(
            "the issuer `{issuer}` is no https URL without `?`, `#` and `*`; write it exactly as \
             the `iss` of its tokens, such as https://idp.example.com/realm"
        )));
    }
    Ok(())
}

/// A resource is the URL of the MCP endpoint as clients know it.
fn check_resource(resource: &str) -> Result<(), SetupError> {
    let uri = resource.parse::<Uri>().ok();
    let plain = resource.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let good = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && uri.path().trim_end_matches('/').ends_with("/mcp")
    });
    if !plain || !good || resource.contains(['#', '\\']) {
        return Err(SetupError::Setting(format!(
            "the resource `{resource}` is no URL of an MCP endpoint, such as https://host/mcp"
        )));
    }
    Ok(())
}

/// What a client's developer needs to know; nothing in it is secret.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => {
            "the token lacks a claim: `exp`, `iss`, `aud` and `sub` are needed"
        }
        ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            "the token's claims are missing or have another form: `exp`, `iss`, `aud`, `sub`"
        }
        _ => "the token is no JWT signed by a known algorithm",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use proptest::prelude::*;

    use super::*;

    fn identify(authorization: &str) -> Result<Caller, JwtError> {
        let part = URL_SAFE_NO_PAD.encode([7; 32]);
        let key = format!("\"crv\":\"P-256\",\"x\":\"{part}\",\"y\":\"{part}\"");
        let jwt = Jwt::new(Settings {
            issuer: "https://idp.example.com".to_owned(),
            audiences: vec!["https://files.example.com/mcp".to_owned()],
            algorithms: vec![Algorithm::ES256, Algorithm::RS256],
            clock_skew: Duration::from_secs(60),
            resource: None,
            keys: Source::Inline(format!("{{\"keys\":[{{\"kty\":\"EC\",{key}}}]}}")),
        })
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(jwt.identify(&headers))
    }

    proptest! {
        #[test]
        fn no_header_proves_anybody_or_panics(text in "[ -~]{0,200}") {
            prop_assert!(identify(&text).is_err());
            let bearer = format!("Bearer {text}");
            prop_assert!(identify(&bearer).is_err());
        }

        #[test]
        fn no_parts_prove_anybody_or_panic(
            fields in "(\"(kid|typ|crit|zip|x5c|jwk)\":(\"a\"|\\[\\]|null|1|\\{\\}),){0,3}",
            algorithm in "ES256|RS256|HS256|none|EdDSA",
            claims in "\\PC{0,80}",
            signature in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let header = format!("{{{fields}\"alg\":\"{algorithm}\"}}");
            let parts = [header.into_bytes(), claims.into_bytes(), signature];
            let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let bearer = format!("Bearer {token}");
            prop_assert!(identify(&bearer).is_err());
        }
    }

    #[test]
    fn an_issuer_is_an_exact_https_url() {
        for good in [
            "https://idp.example.com",
            "https://idp.example.com/",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf",
            "http://localhost:8080/realms/a",
        ] {
            assert!(check_issuer(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "idp.example.com",
            "http://idp.example.com",
            "https://idp.example.com/#sub=",
            "https://idp.example.com/*",
            "https://idp.example.com/?a",
            "https://idp .example.com",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resource_is_the_url_of_an_endpoint() {
        assert!(check_resource("https://files.example.com/mcp").is_ok());
        assert!(check_resource("http://127.0.0.1:8787/mcp").is_ok());
        for bad in ["api://workspace", "workspace", "https://files.example.com/", "https:///mcp"] {
            assert!(check_resource(bad).is_err(), "{bad}");
        }
    }
}
