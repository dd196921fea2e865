//! Tests that the sample events in `events/` equal the events that the gateway builds from the same requests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::Request;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::connections::{CloseStatus, Connection};
use super::http_event::{self, RequestInfo};
use super::routes::RouteTable;
use super::websocket::SocketGateway;
use crate::clock::Clock;
use crate::lambda::{Functions, HostConfig};
use crate::options::project_root;
use crate::template::Template;

/// Fields that vary per request or differ on AWS. Only their presence and type are compared.
const VARYING: [&str; 10] = [
    "connectedAt",
    "time",
    "timeEpoch",
    "requestTime",
    "requestTimeEpoch",
    "extendedRequestId",
    "messageId",
    "x-amzn-trace-id",
    "x-forwarded-port",
    "x-forwarded-proto",
];

fn template() -> Template {
    Template::read(&project_root().join("template.yaml"), &BTreeMap::new()).unwrap()
}

/// Every sample: the logical id of its function, its path and its content.
fn samples() -> Vec<(String, PathBuf, Value)> {
    let mut samples = Vec::new();
    for domain in std::fs::read_dir(project_root().join("events")).unwrap() {
        for file in std::fs::read_dir(domain.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let event = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            samples.push((function_of(&path), path, event));
        }
    }
    assert!(!samples.is_empty());
    samples
}

/// `FriendsSendRequestFunction` for `friends/send-request.json`.
fn function_of(path: &Path) -> String {
    let (domain, name) = (path.parent().unwrap().file_name().unwrap(), path.file_stem().unwrap());
    let name = format!("{}-{}", domain.to_str().unwrap(), name.to_str().unwrap());
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(capital).collect::<String>() + "Function"
}

fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let varies = VARYING.contains(&name.as_str());
                let kind = if value.is_number() { "a number" } else { "a string" };
                (name.clone(), if varies { kind.into() } else { comparable(value) })
            });
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected a string, not {value}"))
}

fn request(method: &str, uri: &str, headers: &Map<String, Value>) -> Parts {
    let headers = headers.iter();
    let request = headers.fold(Request::builder().method(method).uri(uri), |request, (name, value)| {
        request.header(name, text(value))
    });
    request.body(()).unwrap().into_parts().0
}

#[test]
fn http_samples_equal_the_events_of_the_gateway() {
    let template = template();
    let table = RouteTable::new(&template.http.routes);
    let mut functions = BTreeSet::new();
    for (function, path, event) in samples().into_iter().filter(|(_, _, event)| event["version"] == "2.0") {
        let (context, mut headers) =
            (&event["requestContext"], event["headers"].as_object().unwrap().clone());
        // The gateway adds the `x-` headers.
        headers.retain(|name, _| !name.starts_with("x-"));
        let query = text(&event["rawQueryString"]);
        let uri = format!("{}{}{query}", text(&event["rawPath"]), if query.is_empty() { "" } else { "?" });
        let request = request(text(&context["http"]["method"]), &uri, &headers);
        let decoded_path = http_event::path_of(&request);
        let route_match = table.find(request.method.as_str(), &decoded_path).unwrap();
        assert_eq!(route_match.route.function, function, "{}", path.display());
        let info = RequestInfo {
            api: text(&context["apiId"]),
            request_id: text(&context["requestId"]),
            peer: text(&context["http"]["sourceIp"]).parse().unwrap(),
        };
        let body = event["body"].as_str().unwrap_or_default();
        let built = http_event::build(&request, &decoded_path, body.as_bytes(), &route_match, &info);
        assert_eq!(comparable(&event), comparable(&built), "{}", path.display());
        if let Some(length) = headers.get("content-length") {
            assert_eq!(text(length), body.len().to_string(), "{}", path.display());
        }
        functions.insert(function);
    }
    let routed = template.http.routes.iter().map(|route| route.function.clone()).collect();
    assert_eq!(functions, routed, "each route has a sample");
}

#[tokio::test]
async fn socket_samples_equal_the_events_of_the_gateway() {
    let api = template().socket.unwrap();
    let mut expected: BTreeSet<_> = api.routes.values().map(|route| route.function.clone()).collect();
    expected.insert(api.authorizer.as_ref().unwrap().function.clone());
    let host = HostConfig { clock: Clock::default(), binaries: PathBuf::new() };
    let functions = Arc::new(Functions::new(&host, []));
    let mut gateway = SocketGateway::new(api, String::new(), functions, Clock::default());
    let mut tested = BTreeSet::new();
    for (function, path, event) in samples().into_iter().filter(|(_, _, event)| event["version"].is_null()) {
        let context = &event["requestContext"];
        gateway.endpoint.api = text(&context["apiId"]).to_owned();
        gateway.endpoint.domain = text(&context["domainName"]).to_owned();
        let identity = |name: &str| text(&context["identity"][name]).to_owned();
        let (mut connection, _messages) =
            Connection::new(&Clock::default(), identity("sourceIp"), identity("userAgent"));
        connection.id = text(&context["connectionId"]).to_owned();
        connection.connected_at = context["connectedAt"].as_i64().unwrap();
        connection.authorizer = context["authorizer"].as_object().cloned();
        let id = text(&context["requestId"]);
        let handshake = || {
            let token = text(&event["queryStringParameters"]["token"]);
            request("GET", &format!("/live?token={token}"), event["headers"].as_object().unwrap())
        };
        let route = text(&context["routeKey"]);
        let built = match text(&context["eventType"]) {
            "CONNECT" if event["type"] == "REQUEST" => {
                assert_eq!(gateway.api.authorizer.as_ref().unwrap().function, function);
                gateway.endpoint.authorizer_event(&connection, &handshake(), id)
            }
            kind => {
                assert_eq!(gateway.api.routes[route].function, function, "{}", path.display());
                match kind {
                    "CONNECT" => gateway.endpoint.connect_event(&connection, &handshake(), id),
                    "MESSAGE" => {
                        let frame = text(&event["body"]);
                        assert_eq!(gateway.select(frame), Some(route), "{}", path.display());
                        gateway.endpoint.message_event(&connection, route, frame, id)
                    }
                    _ => {
                        let code = context["disconnectStatusCode"].as_u64().unwrap();
                        let reason = text(&context["disconnectReason"]);
                        let status = CloseStatus::new(u16::try_from(code).unwrap(), reason);
                        gateway.endpoint.disconnect_event(&connection, &status, id)
                    }
                }
            }
        };
        assert_eq!(comparable(&event), comparable(&built), "{}", path.display());
        tested.insert(function);
    }
    assert_eq!(tested, expected, "each route and the authorizer have a sample");
}
