//! The real binary, as Lambda would run it: a Runtime API on the loopback interface hands it events.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::service::{Kill, Service};

/// What goes in and what comes out.
struct Runtime {
    events: Mutex<Receiver<Value>>,
    answers: Sender<Result<Value, String>>,
}

/// The function, at work.
pub(crate) struct Binary {
    pub service: Service,
    events: Sender<Value>,
    answers: Mutex<Receiver<Result<Value, String>>>,
    _process: Child,
}

impl Binary {
    /// Starts the binary in an environment as that of deploy/review.yaml.
    pub(crate) async fn start(environment: &[(&str, String)]) -> Binary {
        let (events, to_function) = channel(1);
        let (from_function, answers) = channel(1);
        let runtime = Arc::new(Runtime { events: Mutex::new(to_function), answers: from_function });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(runtime);
        let service = Service::start(Kill::Never, routes).await;
        let host = service.url().trim_start_matches("http://");
        let process = Command::new(env!("CARGO_BIN_EXE_code-review-function"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", host)
            .env("AWS_LAMBDA_FUNCTION_NAME", "review")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "id")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_LAMBDA", service.url())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Binary { service, events, answers: Mutex::new(answers), _process: process }
    }

    /// One invocation.
    pub(crate) async fn invoke(&self, payload: Value) -> Result<Value, String> {
        self.events.send(payload).await.unwrap();
        self.answers.lock().await.recv().await.unwrap()
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> impl IntoResponse {
    let Some(event) = runtime.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + Duration::from_secs(900);
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "request".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:111122223333:function:review".to_owned(),
        ),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    (headers, Json(event)).into_response()
}

async fn response(State(runtime): State<Arc<Runtime>>, answer: String) -> StatusCode {
    runtime.answers.send(Ok(serde_json::from_str(&answer).unwrap())).await.unwrap();
    StatusCode::ACCEPTED
}

async fn error(State(runtime): State<Arc<Runtime>>, answer: String) -> StatusCode {
    runtime.answers.send(Err(answer)).await.unwrap();
    StatusCode::ACCEPTED
}
