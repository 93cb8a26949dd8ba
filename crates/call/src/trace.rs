//! Which trace a call belongs to, so that its audit record can be found from the agent's own.

use http::HeaderMap;

/// The trace and the span that a call was made in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// 32 hex digits.
    pub id: String,
    /// The caller's span, 16 hex digits.
    pub parent: Option<String>,
    /// What tracing systems add for themselves (`tracestate`).
    pub state: Option<String>,
}

/// Longest `tracestate` that is carried on, as W3C asks of everybody.
const MAX_STATE: usize = 512;

impl Trace {
    /// Reads W3C trace context; none when `traceparent` is not one.
    pub fn from_w3c(parent: &str, state: Option<&str>) -> Option<Trace> {
        let mut fields = parent.trim().split('-');
        let (version, id, span, flags) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let known =
            hex(version, 2) && version != "ff" && (version != "00" || fields.next().is_none());
        if !known || !is_id(id, 32) || !is_id(span, 16) || !hex(flags, 2) {
            return None;
        }
        Some(Trace {
            id: id.to_owned(),
            parent: Some(span.to_owned()),
            state: state
                .filter(|state| !state.is_empty() && state.len() <= MAX_STATE)
                .filter(|state| state.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
                .map(str::to_owned),
        })
    }

    /// Reads X-Ray's header, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`.
    pub fn from_xray(header: &str) -> Option<Trace> {
        let field = |name: &str| {
            let mut fields = header.split(';').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let mut root = field("Root")?.split('-');
        let (version, time, random) = (root.next()?, root.next()?, root.next()?);
        let id = format!("{time}{random}");
        let plain = version == "1" && hex(time, 8) && is_id(&id, 32) && root.next().is_none();
        let parent = field("Parent").filter(|span| is_id(span, 16)).map(str::to_owned);
        plain.then_some(Trace { id, parent, state: None })
    }

    /// Reads an HTTP request's headers: W3C before X-Ray.
    pub fn from_headers(headers: &HeaderMap) -> Option<Trace> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        text("traceparent")
            .and_then(|parent| Trace::from_w3c(parent, text("tracestate")))
            .or_else(|| text("x-amzn-trace-id").and_then(Trace::from_xray))
    }
}

/// Lower-case hex digits, as both forms write them.
fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An id is not all zeros.
fn is_id(text: &str, length: usize) -> bool {
    hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn w3c_is_read_strictly() {
        let parent = format!("00-{ID}-00f067aa0ba902b7-01");
        let trace = Trace::from_w3c(&parent, Some("vendor=x")).unwrap();
        assert_eq!(trace.id, ID);
        assert_eq!(trace.parent.as_deref(), Some("00f067aa0ba902b7"));
        assert_eq!(trace.state.as_deref(), Some("vendor=x"));
        // A later version may have more fields.
        assert!(Trace::from_w3c(&format!("01-{ID}-00f067aa0ba902b7-01-more"), None).is_some());
        for wrong in [
            String::new(),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("00-{ID}-00f067aa0ba902b7"),
            format!("00-{ID}-00f067aa0ba902b7-01-more"),
            format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{ID}\n-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(Trace::from_w3c(&wrong, None), None, "{wrong}");
        }
        assert_eq!(Trace::from_w3c(&parent, Some("a\nb")).unwrap().state, None);
    }

    #[test]
    fn an_x_ray_id_is_the_same_trace() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let trace = Trace::from_xray(header).unwrap();
        assert_eq!(trace.id, "5759e988bd862e3fe1be46a994272793");
        assert_eq!(trace.parent.as_deref(), Some("53995c3f42cd8ad8"));
        for wrong in [
            "",
            "Root=1-5759e988",
            "Self=1-5759e988-bd862e3fe1be46a994272793",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(Trace::from_xray(wrong), None, "{wrong}");
        }
    }
}
