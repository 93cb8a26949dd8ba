//! The settings of how callers prove who they are, for the function and for `serve`.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::HeaderName;
use clap::Args;

use crate::caller::delegation::Delegation;
use crate::caller::jwt::{self, Jwt, Location};

/// The algorithms that issuers sign with, unless they are set to others.
const DEFAULT_ALGORITHMS: &str = "RS256,ES256";

/// How callers over HTTP prove who they are, beside what the host itself knows.
///
/// Access tokens are believed where an issuer, an audience and the issuer's keys are set.
#[derive(Debug, Args)]
pub(crate) struct CallerOptions {
    /// The issuer of access tokens (JWT), exactly as their `iss`; with it every request needs one
    #[arg(long, value_name = "URL", env = "MCP_WORKSPACE_JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// What tokens must be for, by their `aud` (repeatable, one must match); best the server's URL
    #[arg(long, value_name = "NAME", env = "MCP_WORKSPACE_JWT_AUDIENCE", value_delimiter = ',')]
    pub jwt_audience: Vec<String>,
    /// The issuer's keys as a JSON Web Key Set: the JSON itself, a file or a URL
    #[arg(
        long,
        value_name = "JSON|FILE|URL",
        env = "MCP_WORKSPACE_JWT_JWKS",
        hide_env_values = true
    )]
    pub jwt_jwks: Option<String>,
    /// The issuer's keys in a file
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_JWT_JWKS_FILE")]
    pub jwt_jwks_file: Option<String>,
    /// The issuer's keys behind a URL, its `jwks_uri` (https; read when needed, kept 10 minutes)
    #[arg(long, value_name = "URL", env = "MCP_WORKSPACE_JWT_JWKS_URL")]
    pub jwt_jwks_url: Option<String>,
    /// Algorithms that tokens may be signed with: RS256 to RS512, PS256 to PS512, ES256, ES384, EdDSA
    #[arg(
        long,
        value_name = "NAMES",
        env = "MCP_WORKSPACE_JWT_ALGORITHMS",
        default_value = DEFAULT_ALGORITHMS,
        value_delimiter = ','
    )]
    pub jwt_algorithms: Vec<String>,
    /// Seconds by which the issuer's clock may differ
    #[arg(long, value_name = "SECONDS", env = "MCP_WORKSPACE_JWT_CLOCK_SKEW", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=300))]
    pub jwt_clock_skew: u64,
    /// The server's URL as clients know it [default: an audience that is one, else the host's own]
    #[arg(long, value_name = "URL", env = "MCP_WORKSPACE_JWT_RESOURCE")]
    pub jwt_resource: Option<String>,
    /// The header by which an IAM role that the policy trusts says for whom it calls
    #[arg(long, value_name = "NAME", env = "MCP_WORKSPACE_DELEGATION_HEADER",
          default_value = Delegation::HEADER)]
    pub delegation_header: String,
}

impl CallerOptions {
    /// The proof by access tokens; none where nothing of it is set. An empty setting is as good
    /// as none, since templates cannot leave a variable out.
    ///
    /// # Errors
    /// When a part is missing or wrong.
    pub(crate) fn jwt(&self) -> anyhow::Result<Option<Jwt>> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let audiences: Vec<String> =
            self.jwt_audience.iter().filter(|one| !one.is_empty()).cloned().collect();
        let (issuer, keys, resource) =
            (set(&self.jwt_issuer), self.keys()?, set(&self.jwt_resource));
        let (issuer, keys) = match (issuer, keys) {
            (None, None) if audiences.is_empty() && resource.is_none() => return Ok(None),
            (Some(issuer), Some(keys)) if !audiences.is_empty() => (issuer, keys),
            (issuer, keys) => {
                let missing = [
                    issuer.is_none().then_some("--jwt-issuer (MCP_WORKSPACE_JWT_ISSUER)"),
                    audiences.is_empty().then_some("--jwt-audience (MCP_WORKSPACE_JWT_AUDIENCE)"),
                    keys.is_none().then_some(
                        "the keys: --jwt-jwks-url, --jwt-jwks-file or MCP_WORKSPACE_JWT_JWKS",
                    ),
                ];
                let missing: Vec<_> = missing.into_iter().flatten().collect();
                bail!(
                    "access tokens need an issuer, an audience and keys; missing: {}",
                    missing.join(", ")
                );
            }
        };
        let names = self.jwt_algorithms.iter().map(|name| name.trim());
        let mut names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            names.extend(DEFAULT_ALGORITHMS.split(','));
        }
        let algorithms = names.into_iter().map(|name| {
            name.parse().map_err(|_| {
                anyhow::anyhow!(
                    "`{name}` is no algorithm of tokens: RS256, RS384, RS512, PS256, PS384, \
                     PS512, ES256, ES384 or EdDSA"
                )
            })
        });
        let jwt = Jwt::new(jwt::Settings {
            issuer,
            audiences,
            algorithms: algorithms.collect::<anyhow::Result<_>>()?,
            clock_skew: Duration::from_secs(self.jwt_clock_skew),
            resource,
            keys,
        })?;
        Ok(Some(jwt))
    }

    pub(super) fn keys(&self) -> anyhow::Result<Option<jwt::Source>> {
        let url = |text: &str| Location::parse(text).map(jwt::Source::Url);
        let any = match self.jwt_jwks.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) if text.starts_with('{') => Some(jwt::Source::Inline(text.to_owned())),
            Some(text) if text.contains("://") => Some(url(text)?),
            Some(text) => Some(jwt::Source::File(text.into())),
            None => None,
        };
        let file = self.jwt_jwks_file.as_deref().filter(|file| !file.is_empty());
        let behind = self.jwt_jwks_url.as_deref().filter(|text| !text.is_empty());
        let mut given =
            [any, file.map(|file| jwt::Source::File(file.into())), behind.map(url).transpose()?]
                .into_iter()
                .flatten();
        match (given.next(), given.next()) {
            (one, None) => Ok(one),
            _ => bail!("the issuer's keys are given twice; keep one of --jwt-jwks, -file and -url"),
        }
    }

    /// How roles speak for others.
    ///
    /// # Errors
    /// When the header is none, or already means something else.
    pub(crate) fn delegation(&self) -> anyhow::Result<Delegation> {
        const TAKEN: [&str; 6] =
            ["authorization", "host", "origin", "cookie", "content-type", "accept"];
        let name = Some(self.delegation_header.as_str()).filter(|name| !name.is_empty());
        let name = name.unwrap_or(Delegation::HEADER);
        let header: HeaderName =
            name.parse().with_context(|| format!("`{name}` is no name of a header"))?;
        if TAKEN.contains(&header.as_str()) || header.as_str().starts_with("mcp-") {
            bail!("`{name}` cannot be the delegation header: it already means something else");
        }
        Ok(Delegation::by(header))
    }
}
