//! Who may use the page: the browser of one person on this machine, but not other pages that are
//! open in that browser.
//!
//! The token of the URL becomes a cookie that scripts cannot read and other sites cannot send.
//! Every request must name this server as its host, so that another site whose name resolves to
//! loopback is refused. A browser that says where a request comes from must name the page itself. A
//! request that changes something needs the form's own token as well.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mcp_workspace_tools::hex::hex;
use sha2::{Digest, Sha256};

use crate::host::names::Names;
use crate::host::reply::status_of;

/// Headers of every answer: nothing is loaded from elsewhere, nothing is inline, and no other page
/// may frame it.
pub(super) const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The secrets of one run of the page, and the checks of requests against them.
pub(crate) struct PageAccess {
    names: Names,
    cookie: String,
    token: String,
    session: String,
    form: String,
}

impl PageAccess {
    /// Makes new secrets for a page at `address`.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub(crate) fn new(address: SocketAddr) -> anyhow::Result<PageAccess> {
        let secret = || -> anyhow::Result<String> {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)?;
            Ok(hex(&bytes))
        };
        let port = address.port();
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        let names = hosts.iter().fold(Names::default(), |names, host| {
            names.host(host).origin(&format!("http://{host}"))
        });
        Ok(PageAccess {
            names,
            // Cookies are shared by all ports of a machine.
            cookie: format!("mcp-workspace-review-{port}"),
            token: secret()?,
            session: secret()?,
            form: secret()?,
        })
    }

    /// The secret of the URL.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The secret that forms carry.
    pub(crate) fn form_token(&self) -> &str {
        &self.form
    }

    /// Refuses a request for another host or from another page.
    pub(crate) fn check_origin(&self, head: &Parts) -> Result<(), Box<Response>> {
        self.names.check(head).map_err(|error| refusal(status_of(error.code), error.message))?;
        let site = head.headers.get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(refusal(StatusCode::FORBIDDEN, "requests of other pages are refused"));
        }
        Ok(())
    }

    /// Gives the cookie for the URL's token.
    pub(crate) fn enter(&self, token: Option<&str>) -> Result<Response, Box<Response>> {
        if !token.is_some_and(|given| is_same(given, &self.token)) {
            return Err(refusal(StatusCode::UNAUTHORIZED, NO_SESSION));
        }
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.session);
        let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())];
        Ok((StatusCode::SEE_OTHER, headers).into_response())
    }

    /// Refuses a request without the cookie.
    pub(crate) fn check_session(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let mut pairs = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        if pairs.any(|(name, value)| name == self.cookie && is_same(value, &self.session)) {
            return Ok(());
        }
        Err(refusal(StatusCode::UNAUTHORIZED, NO_SESSION))
    }

    /// Refuses a form that this run of the page did not make.
    pub(crate) fn check_form(&self, given: Option<&str>) -> Result<(), Box<Response>> {
        if given.is_some_and(|given| is_same(given, &self.form)) {
            return Ok(());
        }
        Err(refusal(
            StatusCode::FORBIDDEN,
            "the form is not of this page; open the page again, and decide again",
        ))
    }
}

const NO_SESSION: &str = "open the page by the URL that `mcp-workspace review` has printed";

/// An answer of one sentence.
pub(super) fn refusal(status: StatusCode, text: impl std::fmt::Display) -> Box<Response> {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Box::new((status, kind, Body::from(format!("{text}\n"))).into_response())
}

/// Compares secrets by their hashes, whose time tells nothing about them.
fn is_same(given: &str, secret: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(secret)
}
