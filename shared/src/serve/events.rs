//! The parts of Lambda events that the functions use. The rest of an event may hold anything: it is not parsed.

use std::collections::HashMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use lambda_http::{
    Body, Request, RequestExt,
    aws_lambda_events::query_map::QueryMap,
    http::{
        HeaderValue, Method,
        header::{ACCEPT_ENCODING, AUTHORIZATION},
    },
    request::RequestContext,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A request of the HTTP API, payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent {
    request_context: HttpContext,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<HashMap<String, String>>,
    path_parameters: Option<HashMap<String, String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// What the HTTP API adds to a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext {
    http: HttpDescription,
    route_key: Option<String>,
    time_epoch: Option<i64>,
}

/// The first line of a request.
#[derive(Deserialize)]
struct HttpDescription {
    method: String,
}

/// Headers or query parameters, each with all its values, and with the names as the client spells them.
pub(super) type Values = HashMap<String, Vec<String>>;

/// A connection, a frame or a disconnection of the WebSocket API.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketEvent {
    pub(super) request_context: SocketContext,
    pub(super) multi_value_headers: Option<Values>,
    pub(super) body: Option<String>,
}

/// What the WebSocket API adds to a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SocketContext {
    pub route_key: Option<String>,
    pub event_type: Option<String>,
    pub request_time_epoch: Option<i64>,
    pub connection_id: Option<String>,
    pub authorizer: Option<Map<String, Value>>,
}

/// A `$connect` of the WebSocket API, before it is authorized.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerEvent {
    pub(super) method_arn: Option<String>,
    pub(super) multi_value_headers: Option<Values>,
    pub(super) multi_value_query_string_parameters: Option<Values>,
}

/// The event of a schedule.
#[derive(Clone, Debug, Deserialize)]
pub struct ScheduledEvent {
    pub(super) time: Option<DateTime<Utc>>,
}

/// The request of an HTTP API event, without its URI and with only the headers that functions read. `None` if
/// the event is none of the HTTP API or a part of it cannot be read.
///
/// The conversion of `lambda_http` ends the process if a part is not as it expects, such as a raw `<` in the
/// query, wrong base64, or more headers than a header map can hold.
pub fn http_request(event: &str) -> Option<Request> {
    let event: HttpEvent = serde_json::from_str(event).ok()?;
    let body = event.body.unwrap_or_default();
    let is_base64 = event.is_base64_encoded.unwrap_or_default();
    let body = if is_base64 { Body::Binary(STANDARD.decode(body).ok()?) } else { Body::Text(body) };
    let Ok(query) = event.raw_query_string.unwrap_or_default().parse::<QueryMap>();
    let mut context = ApiGatewayV2httpRequestContext::default();
    context.route_key = event.request_context.route_key;
    context.time_epoch = event.request_context.time_epoch.unwrap_or_default();
    let mut request = Request::new(body)
        .with_raw_http_path(event.raw_path.unwrap_or_default())
        .with_query_string_parameters(query)
        .with_path_parameters(event.path_parameters.unwrap_or_default())
        .with_request_context(RequestContext::ApiGatewayV2(context));
    *request.method_mut() = Method::from_bytes(event.request_context.http.method.as_bytes()).ok()?;
    if let Some(token) = header(event.headers.as_ref(), AUTHORIZATION.as_str()) {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(token).ok()?);
    }
    let accepted = header(event.headers.as_ref(), ACCEPT_ENCODING.as_str());
    if let Some(accepted) = accepted.and_then(|accepted| HeaderValue::from_str(accepted).ok()) {
        request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    }
    Some(request)
}

/// The value of a header, whose name is given in lower case.
fn header<'a>(headers: Option<&'a HashMap<String, String>>, name: &str) -> Option<&'a str> {
    let mut headers = headers.into_iter().flatten();
    headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(changes: &Value) -> Option<Request> {
        let mut event = json!({"requestContext": {"http": {"method": "GET"}}});
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        http_request(&event.to_string())
    }

    #[test]
    fn a_query_has_the_values_that_were_sent() {
        for (raw, value) in [
            ("a=<\"> \u{7f}#b", "<\"> \u{7f}#b"),
            ("a=%3C%23+%2B", "<# +"),
            ("a=ü%C3%BC", "üü"),
            ("a=%zz{}|\\^`", "%zz{}|\\^`"),
        ] {
            let request = request(&json!({"rawQueryString": raw})).unwrap();
            assert_eq!(request.query_string_parameters().first("a"), Some(value), "{raw}");
        }
    }

    #[test]
    fn only_parts_that_are_read_must_be_readable() {
        for changes in [
            json!({"body": "no base64", "isBase64Encoded": true}),
            json!({"headers": {"Authorization": "Bearer \u{0}"}}),
            json!({"requestContext": {}}),
            json!({"requestContext": {"http": {"method": "G T"}}}),
        ] {
            assert!(request(&changes).is_none(), "{changes}");
        }
        let headers: HashMap<String, String> =
            (0..40_000).map(|n| (format!("x-{n}"), String::new())).collect();
        for changes in [
            json!({"rawPath": ":99<\u{0}é"}),
            json!({"rawPath": null, "rawQueryString": null, "headers": null, "body": null}),
            json!({"headers": {"host": "<", "a b": "\u{0}"}}),
            json!({"headers": headers}),
            json!({"cookies": 7, "stageVariables": []}),
        ] {
            assert!(request(&changes).is_some(), "{changes}");
        }
    }
}
