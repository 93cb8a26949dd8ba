//! The function URL in front of a function of the tests: what Lambda does between a client and the
//! function, on loopback.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::signature::{Received, signer};
use mcp_workspace_test_support::function::{Function, recorded};

pub(crate) const REGION: &str = "eu-west-1";
/// Access keys, their secrets, and the roles whose credentials they are.
pub(crate) const KEYS: [(&str, &str, &str); 3] = [
    ("AKIDPERSON", "secret-of-person", "person"),
    ("AKIDREADER", "secret-of-reader", "reader"),
    ("AKIDSTRANGER", "secret-of-stranger", "stranger"),
];

/// What happens to a request instead of an invocation, or to its answer.
pub(crate) enum Mishap {
    /// This status with this body, as AWS gives it.
    Instead(u16, &'static str),
    /// The function's answer with one text replaced.
    Replaced(&'static str, &'static str),
    /// No answer at all.
    Silence,
}

/// The URL.
pub(crate) struct Url {
    pub address: String,
    pub function: Arc<Mutex<Function>>,
    /// What happens to the next requests, in turn.
    pub mishaps: Arc<Mutex<VecDeque<Mishap>>>,
    /// The requests so far, each as its method and path.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Url {
    pub(crate) fn over(function: Function) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url {
            address: format!("http://{}", listener.local_addr().unwrap()),
            function: Arc::new(Mutex::new(function)),
            mishaps: Arc::default(),
            asked: Arc::default(),
        };
        let (function, mishaps, asked) =
            (Arc::clone(&url.function), Arc::clone(&url.mishaps), Arc::clone(&url.asked));
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let Some(request) = read(&mut reader) else { continue };
                asked.lock().unwrap().push(format!("{} {}", request.method, request.path));
                let mishap = mishaps.lock().unwrap().pop_front();
                let (status, body) = match mishap {
                    Some(Mishap::Silence) => continue,
                    Some(Mishap::Instead(status, body)) => (status, body.to_owned()),
                    Some(Mishap::Replaced(from, to)) => {
                        let (status, body) = answer(&function, &request);
                        assert!(body.contains(from), "no {from} in {body}");
                        (status, body.replace(from, to))
                    }
                    None => answer(&function, &request),
                };
                write(reader.get_mut(), status, &body);
            }
        });
        url
    }

    /// The requests since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub(crate) fn audit(&self) -> Value {
        self.function.lock().unwrap().audit()
    }
}

fn answer(function: &Mutex<Function>, request: &Received) -> (u16, String) {
    let Some(role) = signer(request, REGION, &KEYS) else {
        return (403, "{\"Message\":\"Forbidden\"}".to_owned());
    };
    let mut event = recorded("url-tools-list");
    let context = &mut event["requestContext"];
    context["authorizer"]["iam"]["userArn"] =
        json!(format!("arn:aws:sts::123456789012:assumed-role/{role}/session"));
    context["http"]["method"] = json!(request.method);
    context["http"]["path"] = json!(request.path);
    let domain = context["domainName"].clone();
    event["rawPath"] = json!(request.path);
    event["rawQueryString"] = json!(request.query);
    event["headers"] = json!(request.headers);
    event["headers"]["host"] = domain;
    event["body"] = json!(String::from_utf8(request.body.clone()).unwrap());
    let answer = function.lock().unwrap().invoke(&event).answer();
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    (status, answer["body"].as_str().unwrap().to_owned())
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = std::collections::BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Received { method, path, query, headers, body })
}

fn write(stream: &mut TcpStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
