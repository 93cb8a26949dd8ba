//! A durable execution service on the loopback interface: the wire protocol of checkpoints, and
//! what the service does between invocations: functions are invoked, timers fire, callbacks end.
//!
//! `LocalRunner` does the last two only, and cannot end an invocation after a write has arrived and
//! before its answer; here one can.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_durable_execution_sdk::lambda_runtime::{Context, LambdaEvent};
use aws_durable_execution_sdk::{BoxError, DurableContext, Options, wrap};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// When an invocation is ended from outside, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// Never.
    Never,
    /// When this checkpoint is asked for: it is lost.
    Before(usize),
    /// When this checkpoint is written: its answer is lost.
    After(usize),
    /// Each time before the outcome of this step can be written.
    Always(&'static str),
}

/// How a callback ends.
#[derive(Debug, Clone)]
pub(crate) enum Wake {
    /// Completed, with whatever payload.
    Success(&'static str),
    /// Completed as a failure.
    Failure,
    /// Timed out.
    Timeout,
}

#[derive(Debug)]
struct Execution {
    arn: String,
    operations: Vec<Value>,
    token: usize,
    checkpoints: usize,
    kill: Kill,
    /// Names of functions that were invoked, and with what.
    invoked: Vec<(String, Value)>,
}

type Shared = Arc<(Mutex<Execution>, Notify)>;

fn lock(shared: &Shared) -> MutexGuard<'_, Execution> {
    shared.0.lock().unwrap()
}

/// What became of an execution.
#[derive(Debug)]
pub(crate) struct Ended<O> {
    pub output: Result<O, String>,
    pub invocations: usize,
    pub checkpoints: usize,
    pub invoked: Vec<(String, Value)>,
    /// Largest payload of a checkpoint in bytes.
    pub largest: usize,
}

/// The service, with one execution.
pub(crate) struct Service {
    shared: Shared,
    url: String,
    server: JoinHandle<()>,
}

impl Service {
    /// Listens; `more` are routes beside the service's own.
    pub(crate) async fn start(kill: Kill, more: Router) -> Service {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:review:1";
        let execution = Execution {
            arn: format!("{function}/durable-execution/monday/{number}"),
            operations: Vec::new(),
            token: 0,
            checkpoints: 0,
            kill,
            invoked: Vec::new(),
        };
        let shared: Shared = Arc::new((Mutex::new(execution), Notify::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/2025-12-01/durable-executions/{execution}/checkpoint", post(checkpoint))
            .route("/2025-12-01/durable-executions/{execution}/state", get(state))
            .with_state(Arc::clone(&shared))
            .merge(more);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Service { shared, url, server }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Has the function invoked until the execution ends, or sleeps. `work` is what other functions
    /// do; `person` comes before a callback ends.
    pub(crate) async fn run<O: DeserializeOwned>(
        &self,
        event: &Value,
        mut wakes: Vec<Wake>,
        function: impl AsyncFn(Value) -> Result<Value, String>,
        mut work: impl FnMut(&str, Value) -> Result<Value, String>,
        mut person: impl FnMut(),
    ) -> Ended<O> {
        let input = event.to_string();
        let mut invocations = 0;
        let output = loop {
            invocations += 1;
            assert!(invocations < 500, "no end: {:#?}", lock(&self.shared).operations);
            let payload = envelope(&self.shared, &input);
            let answer = tokio::select! {
                answer = timeout(Duration::from_secs(30), function(payload)) => answer.unwrap(),
                () = self.shared.1.notified() => continue,
            };
            // An invocation that fails is one that is made again.
            let Ok(answer) = answer else { continue };
            let error = || answer["Error"]["ErrorMessage"].as_str().unwrap_or_default().to_owned();
            match answer["Status"].as_str().unwrap() {
                "SUCCEEDED" => {
                    break Ok(serde_json::from_str(answer["Result"].as_str().unwrap()).unwrap());
                }
                "PENDING" if advance(&self.shared, &mut wakes, &mut work, &mut person) => {}
                "PENDING" => break Err("asleep".to_owned()),
                _ => break Err(error()),
            }
        };
        let Execution { checkpoints, invoked, operations, .. } = &*lock(&self.shared);
        let largest = operations.iter().map(|one| one.to_string().len()).max().unwrap_or_default();
        let (checkpoints, invoked) = (*checkpoints, invoked.clone());
        Ended { output, invocations, checkpoints, invoked, largest }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Runs a handler to its end, in this process.
pub(crate) async fn execute<O, F, Fut>(
    handler: F,
    event: Value,
    kill: Kill,
    wakes: Vec<Wake>,
    work: impl FnMut(&str, Value) -> Result<Value, String>,
    person: impl FnMut(),
) -> Ended<O>
where
    O: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(Value, DurableContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, BoxError>> + Send,
{
    let service = Service::start(kill, Router::new()).await;
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .endpoint_url(service.url())
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    let handler = wrap(handler, Options::builder().sdk_config(config).build().unwrap());
    let function = async |payload: Value| {
        let payload = serde_json::from_value(payload).unwrap();
        let answer = handler(LambdaEvent::new(payload, Context::default())).await;
        answer
            .map(|answer| serde_json::to_value(answer).unwrap())
            .map_err(|error| error.to_string())
    };
    service.run(&event, wakes, function, work, person).await
}

fn envelope(shared: &Shared, input: &str) -> Value {
    let execution = lock(shared);
    let mut operations = vec![json!({
        "Id": "execution", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": input}
    })];
    operations.extend(execution.operations.iter().cloned());
    json!({
        "DurableExecutionArn": execution.arn,
        "CheckpointToken": execution.token.to_string(),
        "InitialExecutionState": {"Operations": operations},
    })
}

async fn state(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({"Operations": lock(&shared).operations}))
}

async fn checkpoint(
    State(shared): State<Shared>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let (answer, killed) = {
        let mut execution = lock(&shared);
        let number = execution.checkpoints;
        execution.checkpoints += 1;
        // A token is good once: an invocation that was thought dead cannot write any more.
        if request["CheckpointToken"].as_str() != Some(&execution.token.to_string()) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let lost = |kill| match kill {
            Kill::Before(place) => place == number,
            Kill::Always(name) => {
                let mut updates = request["Updates"].as_array().into_iter().flatten();
                updates.any(|update| update["Name"] == name && update["Action"] == "SUCCEED")
            }
            Kill::Never | Kill::After(_) => false,
        };
        if lost(execution.kill) {
            (Value::Null, true)
        } else {
            execution.token += 1;
            let updates = request["Updates"].as_array().unwrap();
            let updated: Vec<_> = updates.iter().map(|update| execution.write(update)).collect();
            let answer = json!({"CheckpointToken": execution.token.to_string(), "NewExecutionState": {"Operations": updated}});
            (answer, execution.kill == Kill::After(number))
        }
    };
    if killed {
        shared.1.notify_one();
        std::future::pending::<()>().await;
    }
    Ok(Json(answer))
}

/// Where the details of an operation lie.
fn details(kind: &str) -> &'static str {
    match kind {
        "STEP" => "StepDetails",
        "WAIT" => "WaitDetails",
        "CONTEXT" => "ContextDetails",
        "CALLBACK" => "CallbackDetails",
        "CHAINED_INVOKE" => "ChainedInvokeDetails",
        other => panic!("no operation: {other}"),
    }
}

impl Execution {
    /// Takes over one update; gives the operation as it stands now.
    fn write(&mut self, update: &Value) -> Value {
        let place = self.operations.iter().position(|one| one["Id"] == update["Id"]);
        let place = place.unwrap_or_else(|| {
            self.operations.push(json!({"StartTimestamp": 0}));
            self.operations.len() - 1
        });
        // What the service's model allows.
        let name = update["Name"].as_str().unwrap_or("unnamed");
        assert!(
            (1..=256).contains(&name.len())
                && name.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{name}"
        );
        assert!(
            update["Payload"].as_str().unwrap_or_default().len() <= 256 * 1024,
            "{name} is too large"
        );
        let callback = format!("callback-{place}-of-{}", self.arn);
        let operation = &mut self.operations[place];
        for key in ["Id", "ParentId", "Name", "Type", "SubType"] {
            if !update[key].is_null() {
                operation[key] = update[key].clone();
            }
        }
        let kind = update["Type"].as_str().unwrap().to_owned();
        let attempt = operation["StepDetails"]["Attempt"].as_u64().unwrap_or(0);
        let details = details(&kind);
        match update["Action"].as_str().unwrap() {
            "START" => {
                operation["Status"] = json!("STARTED");
                match kind.as_str() {
                    "CALLBACK" => operation[details] = json!({"CallbackId": callback}),
                    "STEP" => operation[details] = json!({"Attempt": attempt}),
                    "CHAINED_INVOKE" => {
                        operation[details] = json!({});
                        operation["asked"] = json!([
                            update["ChainedInvokeOptions"]["FunctionName"],
                            update["Payload"]
                        ]);
                    }
                    _ => operation[details] = json!({}),
                }
            }
            "SUCCEED" => {
                operation["Status"] = json!("SUCCEEDED");
                operation[details]["Result"] = update["Payload"].clone();
                if update["ContextOptions"]["ReplayChildren"] == true {
                    operation[details]["ReplayChildren"] = json!(true);
                }
            }
            "FAIL" => {
                operation["Status"] = json!("FAILED");
                operation[details]["Error"] = update["Error"].clone();
            }
            "RETRY" => {
                operation["Status"] = json!("PENDING");
                operation[details]["Attempt"] = json!(attempt + 1);
                operation[details]["Error"] = update["Error"].clone();
            }
            other => panic!("no action: {other}"),
        }
        operation.clone()
    }
}

/// Does one of the things that an execution waits for. Everything else goes on waiting, which is
/// one more invocation and one more replay.
fn advance(
    shared: &Shared,
    wakes: &mut Vec<Wake>,
    work: &mut impl FnMut(&str, Value) -> Result<Value, String>,
    person: &mut impl FnMut(),
) -> bool {
    let mut execution = lock(shared);
    let Execution { operations, invoked, .. } = &mut *execution;
    // The last first: nothing may depend on the order in which agents end.
    for operation in operations.iter_mut().rev() {
        let (kind, status) = (
            operation["Type"].as_str().unwrap().to_owned(),
            operation["Status"].as_str().unwrap().to_owned(),
        );
        match (kind.as_str(), status.as_str()) {
            ("WAIT", "STARTED") => operation["Status"] = json!("SUCCEEDED"),
            ("STEP", "PENDING") => operation["Status"] = json!("READY"),
            ("CHAINED_INVOKE", "STARTED") => {
                let function = operation["asked"][0].as_str().unwrap().to_owned();
                let event: Value =
                    serde_json::from_str(operation["asked"][1].as_str().unwrap()).unwrap();
                invoked.push((function.clone(), event.clone()));
                match work(&function, event) {
                    Ok(answer) => {
                        operation["Status"] = json!("SUCCEEDED");
                        operation["ChainedInvokeDetails"]["Result"] = json!(answer.to_string());
                    }
                    Err(error) => {
                        operation["Status"] = json!("FAILED");
                        operation["ChainedInvokeDetails"]["Error"] =
                            json!({"ErrorType": "Runtime.Error", "ErrorMessage": error});
                    }
                }
            }
            ("CALLBACK", "STARTED") if !wakes.is_empty() => {
                person();
                match wakes.remove(0) {
                    Wake::Success(payload) => {
                        operation["Status"] = json!("SUCCEEDED");
                        operation["CallbackDetails"]["Result"] = json!(payload);
                    }
                    Wake::Failure => {
                        operation["Status"] = json!("FAILED");
                        operation["CallbackDetails"]["Error"] =
                            json!({"ErrorType": "No", "ErrorMessage": "not today"});
                    }
                    Wake::Timeout => operation["Status"] = json!("TIMED_OUT"),
                }
            }
            _ => continue,
        }
        return true;
    }
    false
}

/// How often each function was invoked.
pub(crate) fn times(invoked: &[(String, Value)]) -> BTreeMap<&str, usize> {
    invoked.iter().fold(BTreeMap::new(), |mut times, (function, _)| {
        *times.entry(function.as_str()).or_default() += 1;
        times
    })
}
