//! Any bytes as an event, and as the client context beside it, through the loop that a function
//! runs: an event ends no loop and breaks no conversion, and it names nobody whom its kind cannot
//! name.
//!
//! The first line of an input is the client context, empty for none; the rest is the event.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, PoisonError};

use lambda_http::RequestExt;
use lambda_http::http::Uri;
use lambda_http::request::LambdaRequest;
use mcp_workspace_call::event::EventKind;
use mcp_workspace_lambda::event::{self, Event, Line, UrlRequest};
use mcp_workspace_lambda::{
    Context, FunctionResponse, LambdaEvent, NoStream, Outcome, RuntimeApi, deadline,
};
use mcp_workspace_tools::contract::text_arguments;
use mcp_workspace_tools::tool;
use serde_json::{Value, json};

/// Longest client context; a connection takes no head of any length.
const MAX_CONTEXT: usize = 16 * 1024;
/// Longest message of a fault.
const MAX_FAULT: usize = 8 * 1024;

/// The one loop, which every input goes through.
static LOOP: LazyLock<Mutex<Loop>> = LazyLock::new(|| Mutex::new(Loop::start()));

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let context = bytes.get(..end.min(MAX_CONTEXT)).unwrap_or_default();
    let event = bytes.get(end + 1..).unwrap_or_default();
    let mut running = LOOP.lock().unwrap_or_else(PoisonError::into_inner);
    let (is_answer, said) = running.invoke(context, event);
    if is_answer {
        check(context, event, &said);
    } else {
        let kind = said["errorType"].as_str().unwrap();
        assert!(matches!(kind, "UnknownEvent" | "EventTooLarge"), "{said}");
        let message = said["errorMessage"].as_str().unwrap();
        assert!(!message.is_empty() && message.len() <= MAX_FAULT, "{} bytes", message.len());
    }
}

/// Compares what was read of an event with what is written in it.
fn check(context: &[u8], event: &[u8], read: &Value) {
    let event: Value = serde_json::from_slice(event).unwrap();
    let context: Option<Value> = serde_json::from_slice(&as_header(context)).ok();
    let custom = context.as_ref().and_then(|context| context.get("custom")?.as_object());
    let of_gateway =
        custom.is_some_and(|custom| custom.keys().any(|name| name.starts_with("bedrockAgentCore")));
    let kind = EventKind::ALL.into_iter().find(|kind| kind.as_str() == read["kind"]).unwrap();
    assert_eq!(kind == EventKind::Gateway, of_gateway, "{read}");
    if of_gateway {
        // Written and read once more, as the other has been.
        assert_eq!(read["arguments"], event.to_string().parse::<Value>().unwrap());
    }
    let iam = event.pointer("/requestContext/authorizer/iam").filter(|iam| !iam.is_null());
    let is_url = matches!(kind, EventKind::UrlIam | EventKind::UrlToken);
    assert_eq!(kind == EventKind::UrlIam, is_url && iam.is_some(), "{read}");
    match (read["caller"].as_str(), kind.names_callers()) {
        (Some(caller), Some(begins)) => {
            assert!(caller.starts_with(begins), "{read}");
            // Ids of AWS mean nothing in a pattern, and only a header delegates.
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:/".contains(&byte);
            assert!(kind == EventKind::UrlIam || caller.bytes().all(plain), "{read}");
            assert!(!caller.contains(":role/") || !caller.contains("/on-behalf/"), "{read}");
        }
        (Some(_), None) => panic!("an event named a caller whom only a token proves: {read}"),
        (None, _) => assert_ne!(kind, EventKind::Gateway, "{read}"),
    }
    if let Some(target) = read["target"].as_str() {
        // Nothing is resolved and nothing of the event's other fields gets in.
        let path = event["rawPath"].as_str().unwrap_or_default();
        assert_eq!(target.parse::<Uri>().unwrap().path(), path.split(['?', '#']).next().unwrap());
    }
}

/// The function: it reads the event as the server does, and tells what it has read.
async fn answer(event: LambdaEvent<Value>) -> Outcome<NoStream> {
    let LambdaEvent { payload, context } = event;
    let _ = deadline(&context);
    let event = event::read(payload, &context)?;
    let (kind, (caller, tool)) = (event.kind(), event.claims());
    let mut read = json!({
        "kind": kind.as_str(), "caller": caller.map(|caller| caller.id.to_string()), "tool": tool,
    });
    match event {
        Event::Url(request) => read["target"] = target(*request, context).into(),
        Event::Gateway(call) => read["arguments"] = call.arguments,
        Event::ActionGroup(call) => {
            let given = call.parameters.into_iter().map(|given| (given.name, given.value));
            let named = tool::find(call.function.as_deref().unwrap_or("grep"));
            assert!(text_arguments::read(named, given).is_object());
        }
    }
    Ok(FunctionResponse::BufferedResponse(read.to_string().into()))
}

/// What a request to the URL asks for; none where it is no request of HTTP. It is turned into one
/// all the same, as the server does.
fn target(event: UrlRequest, context: Context) -> Option<String> {
    let mut request = event.request;
    let method = request.request_context.http.method.clone();
    let line = Line::taken_from(&mut request).ok();
    let request = lambda_http::Request::from(LambdaRequest::ApiGatewayV2(request));
    assert_eq!(request.with_lambda_context(context).method(), method);
    line.map(|line| line.target.to_string())
}

/// What a header can hold of some bytes.
fn as_header(bytes: &[u8]) -> Vec<u8> {
    let fits = |byte: u8| if byte < b' ' || byte == 0x7f { b' ' } else { byte };
    bytes.iter().map(|byte| fits(*byte)).collect()
}

/// The loop, and its Runtime API on this side.
struct Loop {
    api: BufReader<TcpStream>,
    /// Whether the loop has asked for work that was not given yet.
    asked: bool,
}

impl Loop {
    fn start() -> Loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = RuntimeApi::parse(&listener.local_addr().unwrap().to_string());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let ended = runtime.unwrap().block_on(mcp_workspace_lambda::serve(answer, &api, 1));
            // Whoever waits for it sees the connection end.
            eprintln!("the loop ended: {ended:?}");
        });
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        Loop { api: BufReader::new(stream), asked: false }
    }

    /// Gives one event; whether it was answered rather than refused, and with what.
    fn invoke(&mut self, context: &[u8], event: &[u8]) -> (bool, Value) {
        if !self.asked {
            let (line, _) = self.take();
            assert!(line.contains("/invocation/next"), "{line}");
        }
        let mut given = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\n".to_vec();
        given.extend_from_slice(b"Lambda-Runtime-Deadline-Ms: 4102444800000\r\n");
        if !context.is_empty() {
            given.extend_from_slice(b"Lambda-Runtime-Client-Context: ");
            given.extend(as_header(context));
            given.extend_from_slice(b"\r\n");
        }
        given.extend_from_slice(format!("Content-Length: {}\r\n\r\n", event.len()).as_bytes());
        given.extend_from_slice(event);
        self.give(&given);
        let (line, said) = self.take();
        self.give(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        // The loop goes on: it asks for more.
        let (next, _) = self.take();
        assert!(next.contains("/invocation/next"), "{next}");
        self.asked = true;
        (line.contains("/1/response"), serde_json::from_slice(&said).unwrap())
    }

    fn give(&mut self, bytes: &[u8]) {
        self.api.get_mut().write_all(bytes).expect("the loop has ended");
    }

    /// The next request: its first line, and its body.
    fn take(&mut self) -> (String, Vec<u8>) {
        let (mut first, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            let read = self.api.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the loop has ended");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if first.is_empty() {
                line.clone_into(&mut first);
            }
        }
        let mut body = vec![0; length];
        self.api.read_exact(&mut body).unwrap();
        (first, body)
    }
}
