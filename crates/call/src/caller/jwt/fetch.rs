//! One bounded GET for an issuer's keys: HTTPS, no redirects, little time, few bytes.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::setup_error::SetupError;

/// What all of it may take.
const TIME: Duration = Duration::from_secs(5);
/// Largest answer; a set of ten RSA keys has some 10,000 bytes.
const MAX_BYTES: usize = 256 * 1024;

/// An `https` URL, or an `http` one on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    host: String,
    port: u16,
    tls: bool,
    authority: String,
    path: String,
}

impl Location {
    /// The port that is asked.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, or not `https` and beyond this machine.
    pub fn parse(url: &str) -> Result<Location, SetupError> {
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(SetupError::Setting(format!("`{url}` is no URL")));
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(SetupError::Setting(format!("`{url}` is no URL with a scheme and a host")));
        };
        if authority.as_str().contains('@') {
            return Err(SetupError::Setting(format!(
                "`{url}` has a user name in it, which is not used"
            )));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match scheme {
            "https" => true,
            "http" if is_loopback(&host) => false,
            _ => {
                return Err(SetupError::Setting(format!(
                    "`{url}` is not https; plain http is for this machine alone"
                )));
            }
        };
        if host.is_empty() {
            return Err(SetupError::Setting(format!("`{url}` has no host")));
        }
        Ok(Location {
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            host,
            tls,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The body behind a URL.
///
/// # Errors
/// When it cannot be had in time, is too large, or the answer is anything but 200.
pub(super) async fn get(location: &Location) -> Result<Vec<u8>, SetupError> {
    let host = location.authority.clone();
    match tokio::time::timeout(TIME, connect_and_ask(location)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(cause)) => Err(SetupError::Fetch { host, cause }),
        Err(_) => {
            let cause = format!("{host} took longer than 5 seconds").into();
            Err(SetupError::Fetch { host, cause })
        }
    }
}

/// What stands between a request and its answer comes from four crates; all that is done with it
/// is to tell the operator.
type Fetched<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn connect_and_ask(location: &Location) -> Fetched<Vec<u8>> {
    let stream = TcpStream::connect((location.host.as_str(), location.port)).await?;
    if !location.tls {
        return ask(stream, location).await;
    }
    let name = ServerName::try_from(location.host.clone())?;
    let stream = TlsConnector::from(trust().await?).connect(name, stream).await?;
    ask(stream, location).await
}

/// The certificates that this machine trusts, read anew for each of the rare requests.
async fn trust() -> Fetched<Arc<ClientConfig>> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "this machine has no root certificates: install ca-certificates, set SSL_CERT_FILE, \
             or give the keys by a file"
                .to_owned()
                .into(),
        );
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn ask<S>(stream: S, location: &Location) -> Fetched<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(&location.path)
        .header(HOST, &location.authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("mcp-workspace/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(format!("the answer is {status}, not 200; redirects are not followed").into());
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    connection.abort();
    let body = body.map_err(|error| format!("the body cannot be read: {error}"))?;
    Ok(body.to_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_this_machine() {
        let location = Location::parse("https://idp.example.com/keys?v=1").unwrap();
        assert_eq!((location.port, location.tls), (443, true));
        assert_eq!(location.path, "/keys?v=1");
        for local in ["http://127.0.0.1:9/a", "http://localhost/a", "http://[::1]:9/a"] {
            assert!(!Location::parse(local).unwrap().tls, "{local}");
        }
        for bad in [
            "http://idp.example.com/keys",
            "http://127.0.0.1.example.com/keys",
            "http://localhost@idp.example.com/keys",
            "https://user@idp.example.com/keys",
            "ftp://idp.example.com/keys",
            "file:///etc/passwd",
            "/keys",
            "idp.example.com",
            "",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
