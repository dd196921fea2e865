//! Calls as the gateway makes them: the sample events, about other people and rooms.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};
use shared::{id::UserId, serve::authorizer};

use crate::{
    cloud::{Cloud, SECRET},
    endpoints,
};

/// Until when tokens are good, in seconds since 1970.
const EXPIRES: i64 = 4_000_000_000;

/// One call of a function.
#[derive(Clone, Debug, Default)]
pub struct Call {
    function: &'static str,
    path: Map<String, Value>,
    query: Map<String, Value>,
    body: Option<Value>,
}

impl Call {
    /// A call of the function of this name, without anything.
    pub fn of(function: &'static str) -> Self {
        Self { function, ..Self::default() }
    }

    /// With a parameter of the path.
    pub fn at(mut self, name: &str, value: impl Into<String>) -> Self {
        self.path.insert(name.to_owned(), value.into().into());
        self
    }

    /// With a parameter of the query.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.insert(name.to_owned(), value.into().into());
        self
    }

    /// With a body, or with a frame's data.
    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Makes the call, as a person whose token has this name, and whose one connection, too. What REST answers.
    pub async fn by(self, cloud: &Cloud, caller: UserId, name: &str) -> Value {
        let token = token(caller, name);
        let time = cloud.app.now().milliseconds();
        let (domain, function) = self.function.split_once('-').unwrap();
        let sample = format!("{}/../events/{domain}/{function}.json", env!("CARGO_MANIFEST_DIR"));
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
        if self.function == "socket-authorize" {
            event["queryStringParameters"]["token"] = token.clone().into();
            event["multiValueQueryStringParameters"]["token"] = json!([token]);
            let request = serde_json::from_value(event).unwrap();
            return authorizer::decide(&cloud.app, &request).await.unwrap().principal_id.into();
        }
        if domain == "socket" {
            event["requestContext"]["requestTimeEpoch"] = time.into();
            event["requestContext"]["connectionId"] = name.into();
            event["requestContext"]["authorizer"]["user_id"] = caller.to_string().into();
            event["requestContext"]["authorizer"]["expires"] = EXPIRES.to_string().into();
            if let Some(data) = self.body {
                event["body"] = json!({"type": function.replace('-', "_"), "data": data}).to_string().into();
            }
            let event: ApiGatewayWebsocketProxyRequest = serde_json::from_value(event).unwrap();
            let answer = endpoints::call_socket(&cloud.app, self.function, event).await;
            assert_eq!(answer["statusCode"], 200, "{}", self.function);
            return answer;
        }
        if domain == "upkeep" {
            let event = serde_json::from_value(event).unwrap();
            endpoints::call_scheduled(&cloud.app, self.function, &event).await.unwrap();
            return Value::Null;
        }
        event["headers"]["authorization"] = format!("Bearer {token}").into();
        event["requestContext"]["timeEpoch"] = time.into();
        event["pathParameters"] = self.path.into();
        let query = self.query.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
        event["rawQueryString"] = query.collect::<Vec<_>>().join("&").into();
        event["queryStringParameters"] = self.query.into();
        if let Some(body) = self.body {
            event["body"] = body.to_string().into();
        }
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let answer = endpoints::call_http(&cloud.app, self.function, request).await;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        assert!(answer.status().is_success(), "{}: {body}", self.function);
        body
    }
}

fn token(user: UserId, name: &str) -> String {
    let claims = json!({"user_id": user.to_string(), "username": name, "exp": EXPIRES});
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}
