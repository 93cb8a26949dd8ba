//! Which host names and which origins belong to the server. A browser lets any page send requests
//! to any name that resolves to this server; `Host` and `Origin` tell such requests apart. A second
//! header of either kind is refused, so that none hides behind the other.

use std::sync::Arc;

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::{Authority, Uri};
use mcp_workspace_tools::error::{Code, ToolError};

/// The names that a request may be for, and the origins whose pages may send it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    hosts: Vec<Name>,
    origins: Vec<Origin>,
}

/// How the server is reached, beside each request.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    /// The names and origins that are the server's own.
    pub names: Arc<Names>,
    /// The endpoint's URL.
    pub url: Arc<str>,
}

/// A host's name, in lower case and without brackets, and its port where one is said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    host: String,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    name: Name,
}

impl Names {
    /// Adds a name: `host`, for all of its ports, or `host:port`.
    #[must_use]
    pub(crate) fn host(mut self, text: &str) -> Names {
        let name = Authority::try_from(text).ok().as_ref().and_then(Name::of);
        // An IPv6 address may come without brackets, where it has no port.
        self.hosts.push(name.unwrap_or_else(|| Name { host: bare(text), port: None }));
        self
    }

    /// Adds a name, and the pages under it by HTTPS.
    #[must_use]
    pub(crate) fn site(mut self, text: &str) -> Names {
        self = self.host(text);
        if let Some(mut name) = self.hosts.last().cloned() {
            name.port = name.port.or(Some(443));
            self.origins.push(Origin { scheme: "https".to_owned(), name });
        }
        self
    }

    /// Adds an origin: `scheme://host:port`; with `*` for the port, or without one, for all ports.
    #[must_use]
    pub(crate) fn origin(mut self, text: &str) -> Names {
        match Origin::parse(text.strip_suffix(":*").unwrap_or(text)) {
            Some(origin) => self.origins.push(origin),
            None => tracing::warn!(origin = text, "not an origin, which is scheme://host:port"),
        }
        self
    }

    /// The names as rmcp's own check takes them.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> {
        self.hosts.iter().map(|name| match name.port {
            Some(_) => name.to_string(),
            None => name.host.clone(),
        })
    }

    /// The origins as rmcp's own check takes them.
    pub(crate) fn origins(&self) -> impl Iterator<Item = String> {
        self.origins.iter().map(|Origin { scheme, name }| match name.port {
            Some(_) => format!("{scheme}://{name}"),
            None => format!("{scheme}://{name}:*"),
        })
    }

    /// Lets a request pass that is for one of the names, and from none but their own pages.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when it does not say for whom it is, [`Code::Denied`] when it is
    /// for somebody else or from another page.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), ToolError> {
        if self.hosts.is_empty() {
            return Err(ToolError::invalid("the server was not told its own name"));
        }
        let no_name = || ToolError::invalid("the request names no host: send one header `host`");
        let said =
            single(head, HOST)?.map(Authority::try_from).transpose().map_err(|_| no_name())?;
        // The absolute form of a request has a name as well; both must do.
        let mut asked = said.iter().chain(head.uri.authority()).peekable();
        asked.peek().ok_or_else(no_name)?;
        for authority in asked {
            let name = Name::of(authority).ok_or_else(no_name)?;
            if !self.hosts.iter().any(|own| own.covers(&name)) {
                return Err(ToolError::new(Code::Denied, "this server has another name"));
            }
        }
        let Some(origin) = single(head, ORIGIN)? else { return Ok(()) };
        let own = |origin: &Origin| self.origins.iter().any(|own| own.covers(origin));
        match Origin::parse(origin) {
            Some(origin) if own(&origin) => Ok(()),
            _ => Err(ToolError::new(Code::Denied, "requests of other pages are refused")),
        }
    }
}

/// The value of a header that a request has at most once.
fn single(head: &Parts, name: HeaderName) -> Result<Option<&str>, ToolError> {
    let mut values = head.headers.get_all(&name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(|value| value.to_str()), second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(ToolError::invalid(format!("the header `{name}` is there twice, or is no text"))),
    }
}

impl Name {
    /// None for one with a user before it, or with a port that is none.
    fn of(authority: &Authority) -> Option<Name> {
        let (host, port) = (authority.host(), authority.port_u16());
        let rest = authority.as_str().strip_prefix(host)?;
        let plain = !host.is_empty() && (rest.is_empty() || port.is_some());
        plain.then(|| Name { host: bare(host), port })
    }

    fn covers(&self, other: &Name) -> bool {
        self.host == other.host && (self.port.is_none() || self.port == other.port)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Name { host, port } = self;
        if host.contains(':') { write!(to, "[{host}]") } else { to.write_str(host) }?;
        port.map_or(Ok(()), |port| write!(to, ":{port}"))
    }
}

impl Origin {
    /// Reads what browsers send: a scheme, a host, a port, and nothing after them.
    fn parse(text: &str) -> Option<Origin> {
        let uri = Uri::try_from(text).ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let name = Name::of(authority)?;
        let whole = text.len() == scheme.len() + "://".len() + authority.as_str().len();
        whole.then(|| Origin { scheme: scheme.to_ascii_lowercase(), name })
    }

    fn covers(&self, other: &Origin) -> bool {
        let implied = match other.scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        let Name { host, port } = other.name.clone();
        let other_name = Name { host, port: port.or(implied) };
        self.scheme == other.scheme && self.name.covers(&other_name)
    }
}

/// A host in lower case, without the brackets of an IPv6 address.
fn bare(host: &str) -> String {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn names() -> Names {
        Names::default()
            .host("localhost")
            .host("::1")
            .host("Files.example.com:8443")
            .origin("http://localhost:*")
            .origin("http://[::1]:80")
            .origin("https://files.example.com:443")
    }

    #[test]
    fn a_request_is_for_one_of_the_names_and_says_so_once() {
        for host in ["localhost", "LOCALHOST:1", "[::1]", "[::1]:8787", "files.example.com:8443"] {
            assert!(names().check(&head("/mcp", &[("host", host)])).is_ok(), "{host}");
        }
        for (host, code) in [
            ("evil.example", Code::Denied),
            ("localhost.evil.example", Code::Denied),
            ("evil.example:localhost", Code::InvalidArgument),
            ("files.example.com", Code::Denied),
            ("files.example.com:443", Code::Denied),
            ("localhost@evil.example", Code::InvalidArgument),
            ("evil.example@localhost", Code::InvalidArgument),
            ("localhost,evil.example", Code::Denied),
            ("localhost/x", Code::InvalidArgument),
            ("localhost:x", Code::InvalidArgument),
            ("localhost:80:80", Code::InvalidArgument),
            ("", Code::InvalidArgument),
        ] {
            let refused = names().check(&head("/mcp", &[("host", host)]));
            assert_eq!(refused.unwrap_err().code, code, "{host}");
        }
        for twice in [["localhost", "localhost"], ["localhost", "evil.example"]] {
            let refused = names().check(&head("/", &twice.map(|host| ("host", host))));
            assert_eq!(refused.unwrap_err().code, Code::InvalidArgument);
        }
        assert_eq!(names().check(&head("/", &[])).unwrap_err().code, Code::InvalidArgument);
        let nameless = Names::default().check(&head("/", &[("host", "localhost")]));
        assert!(nameless.is_err(), "no names are not all names");
    }

    #[test]
    fn the_absolute_form_is_checked_as_well() {
        let local = ("host", "localhost");
        assert!(names().check(&head("http://localhost/mcp", &[local])).is_ok());
        assert!(names().check(&head("http://localhost/mcp", &[])).is_ok());
        for uri in ["http://evil.example/mcp", "http://x@localhost/mcp"] {
            assert!(names().check(&head(uri, &[local])).is_err(), "{uri}");
        }
        let evil = ("host", "evil.example");
        assert!(names().check(&head("http://localhost/mcp", &[evil])).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |origins: &[&str]| {
            let origins = origins.iter().map(|origin| ("origin", *origin));
            let headers: Vec<_> = [("host", "localhost")].into_iter().chain(origins).collect();
            names().check(&head("/mcp", &headers)).is_ok()
        };
        for own in [
            "http://localhost",
            "http://localhost:6274",
            "HTTP://LocalHost:1",
            "http://[::1]",
            "https://files.example.com",
            "https://files.example.com:443",
        ] {
            assert!(check(&[own]), "{own}");
        }
        for other in [
            "null",
            "",
            "localhost",
            "https://localhost",
            "http://[::1]:81",
            "https://files.example.com:8443",
            "http://files.example.com",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://evil.example@localhost",
            "http://localhost/",
            "http://localhost http://evil.example",
            "http://localhost, http://evil.example",
        ] {
            assert!(!check(&[other]), "{other}");
        }
        assert!(!check(&["http://localhost", "http://localhost"]), "twice");
    }

    #[test]
    fn rmcp_gets_the_same_names() {
        let names = names();
        let hosts: Vec<_> = names.hosts().collect();
        assert_eq!(hosts, ["localhost", "::1", "files.example.com:8443"]);
        let origins: Vec<_> = names.origins().collect();
        let expected = ["http://localhost:*", "http://[::1]:80", "https://files.example.com:443"];
        assert_eq!(origins, expected);
    }
}
