//! The HTTP port of the engine. The engine's own server accepts requests of every web page, so the stack serves
//! the operations itself.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::routing::post;
use dynoxide::Database;
use dynoxide::auth_material::{AuthMaterial, validate};
use dynoxide::errors::DynoxideError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// DynamoDB's largest request: 16 MB.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const UNKNOWN_OPERATION: &str = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
/// The prefix of an operation in `X-Amz-Target`.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The service of a database.
pub fn router(database: Database) -> Router {
    Router::new().route("/", post(serve)).layer(DefaultBodyLimit::max(REQUEST_LIMIT)).with_state(database)
}

async fn serve(
    State(database): State<Database>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let operation =
        text("x-amz-target").and_then(|target| target.strip_prefix(TARGET_PREFIX)).unwrap_or_default();
    let material = AuthMaterial {
        authorization: text("authorization"),
        query: uri.query().unwrap_or_default(),
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(header::DATE),
    };
    if let Some(error) = validate(material) {
        return response(StatusCode::BAD_REQUEST, error);
    }
    match perform(&database, operation, &body) {
        None => response(StatusCode::BAD_REQUEST, UNKNOWN_OPERATION.to_owned()),
        Some(Ok(answer)) => response(StatusCode::OK, answer),
        Some(Err(error)) => {
            tracing::debug!("{operation}: {error}");
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            response(status, error.to_json())
        }
    }
}

fn response(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// Performs an operation; `None` if it is unknown.
fn perform(database: &Database, operation: &str, body: &str) -> Option<Result<String, DynoxideError>> {
    macro_rules! perform {
        ($($name:literal => $call:ident,)+) => {
            match operation {
                $($name => Some(call(body, |request| database.$call(request))),)+
                _ => None,
            }
        };
    }
    perform! {
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetItem" => get_item,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TagResource" => tag_resource,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UntagResource" => untag_resource,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
}

fn call<I: DeserializeOwned, O: Serialize>(
    body: &str,
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let answer = operation(serde_json::from_str(body).map_err(|error| invalid(&error))?)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The error of a request that cannot be parsed. The engine marks the cases that DynamoDB reports as a validation.
fn invalid(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    match text.strip_prefix("VALIDATION:") {
        Some(validation) => DynoxideError::ValidationException(validation.to_owned()),
        None if error.is_data() => DynoxideError::ValidationException(text),
        None => DynoxideError::SerializationException(String::new()),
    }
}
