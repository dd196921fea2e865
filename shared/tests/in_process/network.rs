//! The network between the real SDK clients and an in-process AWS: an embedded engine executes DynamoDB
//! operations, and the implementor of [`Network`] plays API Gateway for calls to connections.

use std::{fmt, future::Future};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};

use crate::dynamodb;

/// The name of the table.
pub const TABLE: &str = "chat";

/// A request of an SDK client.
#[derive(Clone, Debug)]
pub enum Call {
    /// A DynamoDB operation.
    Table {
        /// The operation name, such as `GetItem`.
        operation: String,
        /// The JSON request.
        body: String,
    },
    /// A request to a WebSocket connection.
    Socket {
        /// The HTTP method.
        method: String,
        /// The connection id that API Gateway assigned.
        connection: String,
        /// The posted frame; empty for other methods.
        body: String,
    },
}

/// The response to a call: the HTTP status and the JSON body.
pub type Answer = (u16, String);

/// The transport between the SDK clients and the in-process AWS.
pub trait Network: Clone + Send + Sync + 'static {
    /// Responds to a call, or fails it with a connection error.
    fn answer(&self, call: Call) -> impl Future<Output = Result<Answer, ConnectorError>> + Send;

    /// Whether the table has items that the app does not write. The engine may refuse to update them.
    fn has_corrupted_items(&self) -> bool {
        false
    }
}

/// The configuration of the SDK clients of one process. Clients of one region share a retry budget.
pub fn sdk(network: impl Network, region: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(NetworkClient(network)))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(shared::app::retries())
        .timeout_config(shared::app::timeouts())
        .build()
}

/// Creates an engine that contains the table, with the key schema of `template.yaml`.
pub fn engine() -> Database {
    let engine = Database::memory().unwrap();
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../../template.yaml")).unwrap();
    let properties = &template["Resources"]["Table"]["Properties"];
    let mut schema = json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST"});
    for part in ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes"] {
        if let Some(value) = properties.get(part) {
            schema[part] = serde_json::to_value(value).unwrap();
        }
    }
    engine.create_table(serde_json::from_value(schema).unwrap()).unwrap();
    engine
}

/// Executes a DynamoDB operation.
pub fn perform(engine: &Database, operation: &str, body: &str) -> Answer {
    dispatch(engine, operation, body)
        .map_or_else(|error| (error.status_code(), error.to_json()), |json| (200, json))
}

fn dispatch(engine: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    macro_rules! run {
        ($call:ident) => {
            serde_json::to_string(&engine.$call(serde_json::from_str(body).unwrap())?)
        };
    }
    let answer = match operation {
        "GetItem" => run!(get_item),
        "PutItem" => run!(put_item),
        "UpdateItem" => run!(update_item),
        "Query" => run!(query),
        "Scan" => run!(scan),
        "BatchGetItem" => run!(batch_get_item),
        "BatchWriteItem" => run!(batch_write_item),
        "TransactWriteItems" => run!(transact_write_items),
        other => panic!("the app does not call {other}"),
    };
    Ok(answer.unwrap())
}

#[derive(Clone)]
struct NetworkClient<N>(N);

impl<N> fmt::Debug for NetworkClient<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkClient")
    }
}

impl<N: Network> HttpClient for NetworkClient<N> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<N: Network> HttpConnector for NetworkClient<N> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (network, call) = (self.0.clone(), read(&request));
        HttpConnectorFuture::new(async move {
            let operation = checked_operation(&call);
            let is_corrupted = network.has_corrupted_items();
            let (status, body) = network.answer(call).await?;
            if let Some(operation) = operation.filter(|_| status != 200 && !is_corrupted) {
                let answer: Value = serde_json::from_str(&body).unwrap();
                dynamodb::check_answer(&operation, &answer).unwrap_or_else(|violation| panic!("{violation}"));
            }
            let status = StatusCode::try_from(status).unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            // API Gateway names its error types in this header, DynamoDB in the body.
            match status.as_u16() {
                410 => drop(response.headers_mut().insert("x-amzn-errortype", "GoneException")),
                429 => drop(response.headers_mut().insert("x-amzn-errortype", "LimitExceededException")),
                _ => {}
            }
            Ok(response)
        })
    }
}

/// The DynamoDB operation of a call, which must be one that DynamoDB accepts.
fn checked_operation(call: &Call) -> Option<String> {
    let Call::Table { operation, body } = call else { return None };
    let request = serde_json::from_str(body).unwrap();
    dynamodb::check_request(operation, &request).unwrap_or_else(|violation| panic!("{violation}"));
    Some(operation.clone())
}

fn read(request: &HttpRequest) -> Call {
    let body = String::from_utf8(request.body().bytes().unwrap_or_default().to_vec()).unwrap();
    match request.headers().get("x-amz-target") {
        Some(target) => Call::Table { operation: target.rsplit('.').next().unwrap().to_owned(), body },
        None => Call::Socket {
            method: request.method().to_owned(),
            connection: request.uri().rsplit('/').next().unwrap().replace("%3D", "="),
            body,
        },
    }
}
