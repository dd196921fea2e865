//! The Lambda events of a WebSocket API: `$connect`, its authorizer, messages and `$disconnect`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>

use axum::http::request::Parts;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::connections::{CloseStatus, Connection};
use super::query;
use crate::clock::{epoch_millis, request_time};
use crate::template::{ACCOUNT_ID, REGION};

/// The endpoint of a WebSocket API.
#[derive(Clone, Debug)]
pub struct SocketEndpoint {
    /// The API id.
    pub api: String,
    /// The stage name.
    pub stage: String,
    /// The host and port that clients connect to.
    pub domain: String,
}

impl SocketEndpoint {
    /// The ARN of `$connect`, to which the policy of an authorizer refers.
    pub fn connect_arn(&self) -> String {
        format!("arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{}/{}/$connect", self.api, self.stage)
    }

    fn context(
        &self,
        connection: &Connection,
        kind: &str,
        route: &str,
        request_id: &str,
    ) -> Map<String, Value> {
        let now = epoch_millis();
        let mut context = Map::new();
        let mut put = |name: &str, value: Value| context.insert(name.to_owned(), value);
        put("routeKey", route.into());
        put("eventType", kind.into());
        put("extendedRequestId", request_id.into());
        put("requestTime", request_time(now).into());
        put("messageDirection", "IN".into());
        put("stage", self.stage.as_str().into());
        put("connectedAt", connection.connected_at.into());
        put("requestTimeEpoch", now.into());
        put("identity", json!({ "sourceIp": connection.source_ip, "userAgent": connection.user_agent }));
        put("requestId", request_id.into());
        put("domainName", self.domain.as_str().into());
        put("connectionId", connection.id.as_str().into());
        put("apiId", self.api.as_str().into());
        if let Some(authorizer) = &connection.authorizer {
            put("authorizer", authorizer.clone().into());
        }
        context
    }

    /// The event of the authorizer.
    pub fn authorizer_event(&self, connection: &Connection, request: &Parts, request_id: &str) -> Value {
        let mut event = request_values(request);
        for parameters in ["queryStringParameters", "multiValueQueryStringParameters"] {
            // Without a query, the authorizer gets empty parameters, and `$connect` gets none.
            event.entry(parameters).or_insert_with(|| json!({}));
        }
        event.insert("type".into(), "REQUEST".into());
        event.insert("methodArn".into(), self.connect_arn().into());
        event.insert("stageVariables".into(), json!({}));
        let context = self.context(connection, "CONNECT", "$connect", request_id);
        event.insert("requestContext".into(), context.into());
        event.into()
    }

    /// The event of `$connect`.
    pub fn connect_event(&self, connection: &Connection, request: &Parts, request_id: &str) -> Value {
        let mut event = request_values(request);
        let context = self.context(connection, "CONNECT", "$connect", request_id);
        event.insert("requestContext".into(), context.into());
        event.insert("isBase64Encoded".into(), false.into());
        event.into()
    }

    /// The event of a frame's route.
    pub fn message_event(&self, connection: &Connection, route: &str, body: &str, request_id: &str) -> Value {
        let mut context = self.context(connection, "MESSAGE", route, request_id);
        context.insert("messageId".into(), message_id().into());
        json!({ "requestContext": context, "body": body, "isBase64Encoded": false })
    }

    /// The event of `$disconnect`.
    pub fn disconnect_event(&self, connection: &Connection, status: &CloseStatus, request_id: &str) -> Value {
        let mut context = self.context(connection, "DISCONNECT", "$disconnect", request_id);
        context.insert("disconnectStatusCode".into(), status.code.into());
        context.insert("disconnectReason".into(), status.reason.as_str().into());
        let host = self.domain.as_str();
        let headers = [("Host", host), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
        json!({
            "headers": query::single_value(headers),
            "multiValueHeaders": query::multi_value(headers),
            "requestContext": context,
            "isBase64Encoded": false,
        })
    }
}

/// The headers and the query of a handshake, each with single and with multiple values.
fn request_values(request: &Parts) -> Map<String, Value> {
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| {
            (title_case(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let headers = || headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = query::pairs(request.uri.query().unwrap_or_default());
    let pairs = || query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut values = Map::new();
    values.insert("headers".into(), query::single_value(headers()).into());
    values.insert("multiValueHeaders".into(), query::multi_value(headers()).into());
    if !query.is_empty() {
        values.insert("queryStringParameters".into(), query::single_value(pairs()).into());
        values.insert("multiValueQueryStringParameters".into(), query::multi_value(pairs()).into());
    }
    values
}

/// Restores the usual case of a header name, for example `Sec-WebSocket-Key`. API Gateway keeps the case of
/// the client, but the HTTP server here returns names in lower case.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        if word == "websocket" {
            return "WebSocket".to_owned();
        }
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    words.collect::<Vec<_>>().join("-")
}

fn message_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(&Uuid::new_v4().as_bytes()[..11])
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::clock::Clock;

    fn endpoint() -> SocketEndpoint {
        SocketEndpoint { api: "SocketApi".into(), stage: "live".into(), domain: "127.0.0.1:3001".into() }
    }

    #[test]
    fn the_events_of_a_connection_have_the_fields_of_aws() {
        let (mut connection, _messages) =
            Connection::new(&Clock::default(), "127.0.0.1".into(), "test".into());
        let request = Request::get("/live?token=a.b.c").header("sec-websocket-key", "k").body(()).unwrap();
        let request = request.into_parts().0;

        let authorize = endpoint().authorizer_event(&connection, &request, "r-1");
        assert_eq!(authorize["type"], "REQUEST");
        assert_eq!(
            authorize["methodArn"],
            "arn:aws:execute-api:us-east-1:123456789012:SocketApi/live/$connect"
        );
        assert_eq!(authorize["queryStringParameters"]["token"], "a.b.c");
        assert_eq!(authorize["multiValueHeaders"]["Sec-WebSocket-Key"], json!(["k"]));
        assert!(authorize["requestContext"].get("authorizer").is_none());

        connection.authorizer = Some(Map::from_iter([("principalId".to_owned(), json!("u-1"))]));
        let message = endpoint().message_event(&connection, "ping", "{}", "r-2");
        assert_eq!(message["requestContext"]["authorizer"]["principalId"], "u-1");
        assert_eq!(message["requestContext"]["eventType"], "MESSAGE");
        assert_eq!(message["requestContext"]["connectionId"], connection.id);

        let disconnect =
            endpoint().disconnect_event(&connection, &CloseStatus::new(1001, "Going away"), "r-3");
        assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1001);
        assert_eq!(disconnect["requestContext"]["disconnectReason"], "Going away");
    }

    #[test]
    fn a_handshake_without_query_has_no_query_parameters() {
        let (connection, _messages) = Connection::new(&Clock::default(), String::new(), String::new());
        let request = Request::get("/live").body(()).unwrap().into_parts().0;
        let connect = endpoint().connect_event(&connection, &request, "r");
        assert!(connect.get("queryStringParameters").is_none());
        let authorize = endpoint().authorizer_event(&connection, &request, "r");
        assert_eq!(authorize["queryStringParameters"], json!({}));
    }
}
