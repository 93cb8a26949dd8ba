//! Where a server is: its URL, and the service and region that its host name shows.

use std::error::Error;

use reqwest::Url;

use crate::RemoteError;

/// A server's URL that requests may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    url: Url,
    host: String,
    service: &'static str,
    region: Option<String>,
}

/// Host names of AWS: what follows the server's own name, what follows the region, and the
/// service that a request is signed for.
const NAMES: [(&str, &str, &str); 3] = [
    (".lambda-url.", ".on.aws", "lambda"),
    (".gateway.bedrock-agentcore.", ".amazonaws.com", "bedrock-agentcore"),
    (".execute-api.", ".amazonaws.com", "execute-api"),
];
/// The service of a host that says none: an emulator, or a function's own domain name.
const DEFAULT_SERVICE: &str = "lambda";

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, not HTTPS although it leaves this machine, or holds more than a place.
    pub fn parse(text: &str) -> Result<Place, RemoteError> {
        let refused =
            |reason: &str| RemoteError::Url { url: text.to_owned(), reason: reason.to_owned() };
        let url = Url::parse(text)
            .map_err(|error| refused(&format!("{error}; it begins with https://")))?;
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() || !["https", "http"].contains(&url.scheme()) {
            return Err(refused("it must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "leave the user name out; requests are signed with AWS credentials",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("leave out what follows `?` or `#`"));
        }
        let named = NAMES.iter().find_map(|(before, after, service)| {
            let (_, rest) = host.split_once(before)?;
            let region = rest.strip_suffix(after)?;
            let plain = !region.is_empty() && !region.contains('.');
            plain.then(|| (*service, region.to_owned()))
        });
        let (service, region) = match named {
            Some((service, region)) => (service, Some(region)),
            None => (DEFAULT_SERVICE, None),
        };
        let place = Place { url, host, service, region };
        if place.url.scheme() == "http" && !place.is_loopback() {
            return Err(refused("plain HTTP goes to this machine only; use https://"));
        }
        Ok(place)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The service that requests are signed for.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The region, where the host's name tells it.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether requests stay on this machine.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        address == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The URL of a path below.
    ///
    /// # Errors
    /// When the path leads elsewhere.
    pub fn join(&self, below: &str) -> Result<Url, RemoteError> {
        if below.is_empty() {
            return Ok(self.url.clone());
        }
        let base = self.url.as_str().trim_end_matches('/');
        let whole = format!("{base}/{}", below.trim_start_matches('/'));
        let refused = |reason: String| RemoteError::Url { url: whole.clone(), reason };
        let url = Url::parse(&whole).map_err(|error| refused(error.to_string()))?;
        if !url.path().starts_with(self.url.path().trim_end_matches('/')) {
            return Err(refused(format!("it is not below {base}")));
        }
        Ok(url)
    }

    /// A failure on the way, in one line.
    pub fn failed(&self, error: &reqwest::Error) -> RemoteError {
        let reason = if error.is_timeout() && !error.is_connect() {
            "it took too long".to_owned()
        } else {
            chain(error.source().unwrap_or(error))
        };
        let before_sending = error.is_connect() || error.is_builder();
        RemoteError::Transport { host: self.host.clone(), reason, before_sending }
    }
}

/// An error and what caused it; the SDK's own sentences say little without.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_service_and_region() {
        for (url, service, region) in [
            ("https://abc.lambda-url.eu-west-1.on.aws", "lambda", Some("eu-west-1")),
            ("https://ABC.LAMBDA-URL.EU-WEST-1.ON.AWS/", "lambda", Some("eu-west-1")),
            (
                "https://g-1.gateway.bedrock-agentcore.us-east-1.amazonaws.com/mcp",
                "bedrock-agentcore",
                Some("us-east-1"),
            ),
            ("https://a.execute-api.us-west-2.amazonaws.com/x", "execute-api", Some("us-west-2")),
            ("https://files.example.com/mcp", "lambda", None),
            ("https://a.lambda-url.evil.example.com.on.aws/", "lambda", None),
            ("http://127.0.0.1:9000/lambda-url/_", "lambda", None),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!((place.service(), place.region()), (service, region), "{url}");
        }
    }

    #[test]
    fn only_https_leaves_this_machine() {
        for good in ["http://127.0.0.1:1/", "http://localhost/x", "http://[::1]:80"] {
            assert!(Place::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "ftp://127.0.0.1",
            "https://user:secret@example.com",
            "https://example.com/?a=b",
            "https://example.com/#a",
            "example.com",
            "",
        ] {
            let error = Place::parse(bad).unwrap_err().to_string();
            assert!(error.contains(bad), "{error}");
        }
    }

    #[test]
    fn paths_stay_below_the_url() {
        let place = Place::parse("http://127.0.0.1:9000/lambda-url/_/").unwrap();
        let joined = |below| place.join(below).map(|url| url.to_string());
        assert_eq!(joined("").unwrap(), "http://127.0.0.1:9000/lambda-url/_/");
        assert_eq!(
            joined("/review/v1/a?b=c").unwrap(),
            "http://127.0.0.1:9000/lambda-url/_/review/v1/a?b=c"
        );
        assert!(joined("../../x").is_err());
        assert!(joined("/%2e%2e/%2e%2e/x").is_err());
        let bare = Place::parse("https://example.com").unwrap();
        assert_eq!(bare.join("@evil.example").unwrap().host_str(), Some("example.com"));
    }
}
