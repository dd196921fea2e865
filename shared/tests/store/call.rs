//! Calls as API Gateway makes them: the sample events with other users and rooms.

use jsonwebtoken::{EncodingKey, Header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use shared::{
    id::UserId,
    serve::{authorizer, events},
};

use crate::{
    backend::{SECRET, TestBackend},
    endpoints,
};

/// When tokens expire, in Unix seconds.
const EXPIRES: i64 = 4_000_000_000;

/// A call of a function.
#[derive(Clone, Debug, Default)]
pub struct Call {
    function: String,
    path: Map<String, Value>,
    query: Map<String, Value>,
    body: Option<String>,
    frame: Option<String>,
}

/// The answer to a call.
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Call {
    /// A call without parameters and body.
    pub fn of(function: impl Into<String>) -> Self {
        Self { function: function.into(), ..Self::default() }
    }

    /// Sets a path parameter.
    pub fn path(mut self, name: &str, value: impl Into<String>) -> Self {
        self.path.insert(name.to_owned(), value.into().into());
        self
    }

    /// Sets a query parameter.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.insert(name.to_owned(), value.into().into());
        self
    }

    /// Sets the body, or the data of a frame.
    pub fn body(self, body: impl Into<Value>) -> Self {
        self.text(body.into().to_string())
    }

    /// Sets the text of the body, or of the data of a frame.
    pub fn text(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Sets the text of a frame.
    pub fn frame(self, frame: impl Into<String>) -> Self {
        Self { frame: Some(frame.into()), ..self }
    }

    /// Makes a call that succeeds. Returns the response body of an HTTP call.
    pub async fn send(self, backend: &TestBackend, caller: UserId, name: &str) -> Value {
        let function = self.function.clone();
        let Answer { status, text } = self.answer(backend, caller, name).await;
        assert!((200..300).contains(&status), "{function}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Makes the call. `name` is the username in the token and the id of the caller's connection.
    pub async fn answer(self, backend: &TestBackend, caller: UserId, name: &str) -> Answer {
        let token = token(caller, name);
        let time = backend.app.now().milliseconds();
        let (domain, function) = self.function.split_once('-').unwrap();
        let sample = format!("{}/../events/{domain}/{function}.json", env!("CARGO_MANIFEST_DIR"));
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
        if self.function == "socket-authorize" {
            event["queryStringParameters"]["token"] = token.clone().into();
            event["multiValueQueryStringParameters"]["token"] = json!([token]);
            let request = serde_json::from_value(event).unwrap();
            authorizer::decide(&backend.app, &request).await.unwrap();
            return Answer::of(200, "");
        }
        if domain == "socket" {
            event["requestContext"]["requestTimeEpoch"] = time.into();
            event["requestContext"]["connectionId"] = name.into();
            event["requestContext"]["authorizer"]["user_id"] = caller.to_string().into();
            event["requestContext"]["authorizer"]["expires"] = EXPIRES.to_string().into();
            let data = |data| format!(r#"{{"type":"{}","data":{data}}}"#, function.replace('-', "_"));
            if let Some(frame) = self.frame.or(self.body.map(data)) {
                event["body"] = frame.into();
            }
            let event = serde_json::from_value(event).unwrap();
            let answer = endpoints::call_socket(&backend.app, &self.function, event).await;
            return Answer::of(answer["statusCode"].as_u64().unwrap().try_into().unwrap(), "");
        }
        if domain == "maintenance" {
            let event = serde_json::from_value(event).unwrap();
            endpoints::call_scheduled(&backend.app, &self.function, &event).await.unwrap();
            return Answer::of(200, "");
        }
        event["headers"]["authorization"] = format!("Bearer {token}").into();
        // The tests read texts.
        event["headers"]["accept-encoding"] = "identity".into();
        event["requestContext"]["timeEpoch"] = time.into();
        event["pathParameters"] = self.path.into();
        let encoded =
            |value: &Value| utf8_percent_encode(value.as_str().unwrap(), NON_ALPHANUMERIC).to_string();
        let query = self.query.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        event["rawQueryString"] = query.collect::<Vec<_>>().join("&").into();
        event["queryStringParameters"] = self.query.into();
        if let Some(body) = self.body {
            event["body"] = body.into();
        }
        let request = events::http_request(&event.to_string()).unwrap();
        let answer = endpoints::call_http(&backend.app, &self.function, request).await;
        Answer::of(answer.status().as_u16(), std::str::from_utf8(answer.body()).unwrap())
    }
}

impl Answer {
    fn of(status: u16, text: &str) -> Self {
        Self { status, text: text.to_owned() }
    }
}

fn token(user: UserId, name: &str) -> String {
    let claims = json!({"user_id": user.to_string(), "username": name, "exp": EXPIRES});
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}
