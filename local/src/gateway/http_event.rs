//! The Lambda event of an HTTP API, payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Version, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::query;
use super::routes::RouteMatch;
use crate::clock::{epoch_millis, request_time};
use crate::template::ACCOUNT_ID;

/// The path for routes and functions: percent-decoded, and truncated at a decoded `?`, as in HTTP APIs.
pub fn path_of(request: &Parts) -> String {
    let decoded = percent_decode_str(request.uri.path()).decode_utf8_lossy();
    decoded.split('?').next().unwrap_or_default().to_owned()
}

/// What the gateway adds to a request.
pub struct RequestInfo<'a> {
    /// The API id.
    pub api: &'a str,
    /// The request id.
    pub request_id: &'a str,
    /// The client's IP address.
    pub peer: IpAddr,
}

/// A header that overrides the time of a request, in milliseconds since 1970, for demo data and tests.
/// Functions date everything by the gateway's time, so all effects of the request have this time.
pub const TIME_HEADER: &str = "x-local-time";

/// The time of the request: [`TIME_HEADER`], or else the wall clock.
fn received_at(request: &Parts) -> i64 {
    let header = request.headers.get(TIME_HEADER).and_then(|time| time.to_str().ok()?.parse().ok());
    header.unwrap_or_else(epoch_millis)
}

/// Builds the event of a request.
pub fn build(
    request: &Parts,
    path: &str,
    body: &[u8],
    route_match: &RouteMatch,
    info: &RequestInfo,
) -> Value {
    let now = received_at(request);
    let host = text(&request.headers, header::HOST);
    let domain = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let raw_query = request.uri.query().unwrap_or_default();
    let protocol = match request.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    };
    let (body, is_base64) = encode(&request.headers, body);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_match.key,
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers(request, info.peer),
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": info.api,
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": request.method.as_str(),
                "path": path,
                "protocol": protocol,
                "sourceIp": info.peer.to_string(),
                "userAgent": text(&request.headers, header::USER_AGENT),
            },
            "requestId": info.request_id,
            "routeKey": route_match.key,
            "stage": "$default",
            "time": request_time(now),
            "timeEpoch": now,
        },
        "isBase64Encoded": is_base64,
    });
    let cookies: Vec<Value> = request
        .headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes()).split("; ").map(Value::from).collect::<Vec<_>>()
        })
        .collect();
    let query = query::pairs(raw_query);
    let query = query::joined(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    // Empty values are omitted from the event.
    let mut add = |name: &str, value: Value| {
        if let Some(event) = event.as_object_mut() {
            event.insert(name.to_owned(), value);
        }
    };
    if !cookies.is_empty() {
        add("cookies", cookies.into());
    }
    if !query.is_empty() {
        add("queryStringParameters", query.into());
    }
    if !route_match.parameters.is_empty() {
        add("pathParameters", route_match.parameters.clone().into());
    }
    if let Some(body) = body {
        add("body", body.into());
    }
    event
}

/// The headers with lower-case names and joined values, without cookies, and with those of the gateway.
fn headers(request: &Parts, peer: IpAddr) -> Map<String, Value> {
    let values = request.headers.iter().filter(|(name, _)| *name != header::COOKIE);
    let values: Vec<_> =
        values.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let mut headers = query::joined(values.iter().map(|(name, value)| (*name, value.as_ref())));
    let forwarded = match headers.get("x-forwarded-for").and_then(Value::as_str) {
        Some(addresses) => format!("{addresses}, {peer}"),
        None => peer.to_string(),
    };
    headers.insert("x-forwarded-for".into(), forwarded.into());
    let host = text(&request.headers, header::HOST);
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    let trace = Uuid::new_v4().simple().to_string();
    headers.insert("x-forwarded-port".into(), port.into());
    headers.insert("x-forwarded-proto".into(), "http".into());
    headers.insert("x-amzn-trace-id".into(), format!("Root=1-{}-{}", &trace[..8], &trace[8..]).into());
    headers
}

/// Encodes the body: text unchanged, anything else as base64 (then the flag is true); `None` if it is empty.
fn encode(headers: &HeaderMap, body: &[u8]) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = text(headers, header::CONTENT_TYPE).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.is_empty()
        || kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::gateway::routes::RouteTable;
    use crate::template::{HttpRoute, Verb};

    fn event(request: Request<()>, body: &[u8]) -> Value {
        let table = RouteTable::new(&[HttpRoute {
            key: Some((Verb::Any, "/things/{id}".into())),
            function: "F".into(),
            timeout: None,
        }]);
        let request = request.into_parts().0;
        let path = path_of(&request);
        let route_match = table.find(request.method.as_str(), &path).unwrap();
        let info = RequestInfo { api: "HttpApi", request_id: "r-1", peer: [127, 0, 0, 1].into() };
        build(&request, &path, body, &route_match, &info)
    }

    #[test]
    fn a_request_becomes_an_event_of_format_2() {
        let request = Request::put("/things/a%20b%F0%9F%91%8D?x=1&y=%26&x=2+3")
            .header("Host", "localhost:3000")
            .header("X-Many", "1")
            .header("X-Many", "2")
            .header("Cookie", "a=1; b=2")
            .header("Content-Type", "application/json; charset=utf-8");
        let event = event(request.body(()).unwrap(), br#"{"a":1}"#);
        assert_eq!(event["routeKey"], "ANY /things/{id}");
        assert_eq!(event["rawPath"], "/things/a b👍");
        assert_eq!(event["rawQueryString"], "x=1&y=%26&x=2+3");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2 3", "y": "&"}));
        assert_eq!(event["pathParameters"], json!({"id": "a b👍"}));
        assert_eq!(event["headers"]["x-many"], "1,2");
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert!(event["headers"].get("cookie").is_none());
        assert_eq!(event["body"], r#"{"a":1}"#);
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["domainName"], "localhost");
        assert_eq!(event["requestContext"]["http"]["method"], "PUT");
    }

    #[test]
    fn empty_values_are_omitted_and_binary_bodies_are_base64() {
        let bare = event(Request::get("/things/1").body(()).unwrap(), b"");
        for absent in ["body", "cookies", "queryStringParameters", "stageVariables"] {
            assert!(bare.get(absent).is_none(), "{absent}");
        }
        let image = Request::post("/things/1").header("content-type", "image/png").body(()).unwrap();
        let image = event(image, b"png");
        assert_eq!((image["body"].as_str(), image["isBase64Encoded"].as_bool()), (Some("cG5n"), Some(true)));
    }
}
