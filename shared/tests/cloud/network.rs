//! The network between the SDK's real clients and a cloud in the same process: an embedded engine that answers
//! DynamoDB's calls, and whoever plays the gateway for those to connections.

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
use serde_json::json;

/// The one table.
pub const TABLE: &str = "chat";

/// One call of the SDK's.
#[derive(Clone, Debug)]
pub enum Call {
    /// An operation of DynamoDB.
    Table {
        /// DynamoDB's name for it.
        operation: String,
        /// Its JSON.
        body: String,
    },
    /// A call to a connection.
    Socket {
        /// The method.
        method: String,
        /// The gateway's name for the connection.
        connection: String,
        /// The frame, if one is posted.
        body: String,
    },
}

/// What a call is answered with: the status and the JSON.
pub type Answer = (u16, String);

/// What stands between the SDK and the cloud.
pub trait Network: Clone + Send + Sync + 'static {
    /// Answers one call, or breaks its connection.
    fn answer(&self, call: Call) -> impl Future<Output = Result<Answer, ConnectorError>> + Send;
}

/// What the SDK's clients of one process are made from. Clients of one region share their budget of retries.
pub fn sdk(network: impl Network, region: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(Wire(network)))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(shared::app::retries())
        .timeout_config(shared::app::timeouts())
        .build()
}

/// An engine that holds the table, with the keys of `template.yaml`.
pub fn engine() -> Database {
    let engine = Database::memory().unwrap();
    let schema = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    });
    engine.create_table(serde_json::from_value(schema).unwrap()).unwrap();
    engine
}

/// Performs an operation of DynamoDB.
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
        other => panic!("the system makes no use of {other}"),
    };
    Ok(answer.unwrap())
}

#[derive(Clone)]
struct Wire<N>(N);

impl<N> fmt::Debug for Wire<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl<N: Network> HttpClient for Wire<N> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<N: Network> HttpConnector for Wire<N> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (network, call) = (self.0.clone(), read(&request));
        HttpConnectorFuture::new(async move {
            let (status, body) = network.answer(call).await?;
            let status = StatusCode::try_from(status).unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            // Calls to connections name their errors here, and DynamoDB's in the body.
            match status.as_u16() {
                410 => drop(response.headers_mut().insert("x-amzn-errortype", "GoneException")),
                429 => drop(response.headers_mut().insert("x-amzn-errortype", "LimitExceededException")),
                _ => {}
            }
            Ok(response)
        })
    }
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
