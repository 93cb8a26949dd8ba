//! CloudWatch metrics: one line of embedded metric format a call, from its audit record.
//!
//! CloudWatch makes the metrics out of the log, so the server needs no network and no right.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The namespace of the metrics.
const NAMESPACE: &str = "McpWorkspace";

/// Where the lines go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metrics {
    /// Nowhere.
    #[default]
    Off,
    /// To stdout, which Lambda takes as the log.
    Stdout,
    /// To stderr, beside the audit records.
    Stderr,
}

/// What is measured of a call.
#[derive(Debug)]
pub struct Measured<'r> {
    /// The tool's name.
    pub tool: &'r str,
    /// Whether a tool of that name exists: a name that a client made up is no dimension, since
    /// each value of one is a metric of its own that costs.
    pub known: bool,
    /// The role that decided.
    pub role: Option<&'r str>,
    /// The host's id of the request.
    pub request_id: &'r str,
    /// The trace that it belongs to.
    pub trace_id: Option<&'r str>,
    /// Policy refused it.
    pub denied: bool,
    /// It ended in an error, other than that policy refused it.
    pub error: bool,
    /// The answer says that there is more.
    pub truncated: bool,
    /// How long it took.
    pub latency: Duration,
    /// The length of its answer.
    pub bytes_out: usize,
}

impl Metrics {
    /// Writes the line of a call. If the log cannot be written, the call does not fail.
    pub fn write(self, measured: &Measured<'_>) {
        if self == Metrics::Off {
            return;
        }
        let mut line = measured.line(SystemTime::now()).to_string();
        line.push('\n');
        // One write a line, so that lines of calls at the same time do not mix.
        let _ = match self {
            Metrics::Off => Ok(()),
            Metrics::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            Metrics::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

impl Measured<'_> {
    fn line(&self, now: SystemTime) -> Value {
        let timestamp = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let one = |yes: bool| u8::from(yes);
        let mut line = json!({
            "_aws": {
                "Timestamp": u64::try_from(timestamp).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Tool", "Role"], []],
                    "Metrics": [
                        { "Name": "Calls", "Unit": "Count" },
                        { "Name": "Denied", "Unit": "Count" },
                        { "Name": "Errors", "Unit": "Count" },
                        { "Name": "Truncated", "Unit": "Count" },
                        { "Name": "LatencyMs", "Unit": "Milliseconds" },
                        { "Name": "BytesOut", "Unit": "Bytes" },
                    ],
                }],
            },
            "Tool": if self.known { self.tool } else { "unknown" },
            "Role": self.role.unwrap_or("none"),
            "Calls": 1,
            "Denied": one(self.denied),
            "Errors": one(self.error),
            "Truncated": one(self.truncated),
            "LatencyMs": milliseconds(self.latency),
            "BytesOut": self.bytes_out,
            "request_id": self.request_id,
        });
        if let (Some(trace_id), Some(line)) = (self.trace_id, line.as_object_mut()) {
            line.insert("trace_id".to_owned(), trace_id.into());
        }
        line
    }
}

/// Many calls take less than one, so with three digits after the point.
fn milliseconds(time: Duration) -> f64 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_no_dimensions() {
        let measured = Measured {
            tool: "rm_rf_1234",
            known: false,
            role: None,
            request_id: "7",
            trace_id: None,
            denied: true,
            error: false,
            truncated: false,
            latency: Duration::from_micros(1_234),
            bytes_out: 40,
        };
        let line = measured.line(UNIX_EPOCH + Duration::from_millis(5));
        assert_eq!((&line["Tool"], &line["Role"]), (&json!("unknown"), &json!("none")));
        assert_eq!(line["_aws"]["Timestamp"], 5);
        assert_eq!(line["LatencyMs"], 1.234);
    }
}
