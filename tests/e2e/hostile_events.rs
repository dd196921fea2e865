//! Whatever an event holds, a function answers: the sample events, each part of them replaced by something else,
//! and raw request targets.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use local::Stack;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    events::sample,
    harness::{TestStack, rate_limited},
    names::binaries,
};

/// Functions that are tested concurrently.
const CONCURRENT: usize = 4;
/// A text that occurs in no sample. It is replaced by JSON that `serde_json` does not write.
const PLACEHOLDER: &str = "\"the replaced value\"";

/// JSON that replaces a value of an event.
fn replacements() -> Vec<String> {
    let deep = 20_000;
    vec![
        "null".to_owned(),
        "7".to_owned(),
        "-9223372036854775808".to_owned(),
        "1e400".to_owned(),
        json!({"a": []}).to_string(),
        json!([[""]]).to_string(),
        // Raw characters that are percent-encoded in a URI, control characters, and wrong base64.
        json!("<\"{} |\\^`>\u{7f}\u{0}\r\n\t%zz%ff=&;#?ü👍\u{202e}").to_string(),
        json!("x".repeat(100_000)).to_string(),
        r#""\ud800""#.to_owned(),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
    ]
}

/// The event with each value replaced in turn and with each field removed in turn.
fn mutations(event: &Value) -> Vec<String> {
    let replacements = replacements();
    let mut mutations = Vec::new();
    for pointer in pointers(event, "") {
        let mut mutated = event.clone();
        *mutated.pointer_mut(&pointer).unwrap() = serde_json::from_str(PLACEHOLDER).unwrap();
        let text = mutated.to_string();
        mutations.extend(replacements.iter().map(|replacement| text.replacen(PLACEHOLDER, replacement, 1)));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if let Value::Object(fields) = mutated.pointer_mut(parent).unwrap() {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
            mutations.push(mutated.to_string());
        }
    }
    mutations
}

/// The JSON pointers of all values within a value.
fn pointers(value: &Value, path: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let pointer = |(name, child): (String, &Value)| {
        let path = format!("{path}/{name}");
        let mut all = pointers(child, &path);
        all.push(path);
        all
    };
    children.into_iter().flat_map(pointer).collect()
}

/// Events of which several parts are hostile, or that are no events at all.
fn others(event: &Value) -> Vec<Vec<u8>> {
    let with = |fields: Value| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event.to_string().into_bytes()
    };
    let headers: BTreeMap<String, String> = (0..40_000).map(|n| (format!("x-{n}"), String::new())).collect();
    vec![
        with(json!({"body": "no base64!", "isBase64Encoded": true})),
        with(json!({"body": "/////w==", "isBase64Encoded": true})),
        with(json!({"body": "[".repeat(100_000)})),
        with(json!({"body": r#"{"content": "\ud800", "data": {"content": "\udfff"}}"#})),
        with(json!({"headers": headers, "multiValueHeaders": headers})),
        with(json!({"cookies": ["a=\u{0}", "<\u{7f}>"]})),
        format!("{{\"requestContext\":{{}},{}", &event.to_string()[1..]).into_bytes(),
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"{} {}".to_vec(),
        b"\0\xff\xfe".to_vec(),
        "[".repeat(1_000_000).into_bytes(),
    ]
}

/// Sends all hostile variants of its sample event to a function. One process must answer all of them.
async fn attack(stack: &Stack, binary: &str) {
    let event: Value = serde_json::from_str(&sample(binary)).unwrap();
    let is_http = event["version"] == "2.0";
    drop(stack.invoke(binary, event.to_string()).await);
    let pids = stack.function_pids(binary);
    assert_eq!(pids.len(), 1, "{binary}");
    let mutations = mutations(&event).into_iter().map(String::into_bytes);
    for event in mutations.chain(others(&event)) {
        let start = String::from_utf8_lossy(&event[..event.len().min(4000)]).into_owned();
        let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&event).is_ok();
        match stack.invoke(binary, event).await {
            Ok(answer) if is_http => check_http_answer(&serde_json::from_slice(&answer).unwrap(), &start),
            Ok(_) => {}
            Err(error) => {
                assert!(!is_http || !is_json, "{error}: {start}");
                // The runtime reports a panic as an error. In the release profile, the process would abort.
                assert!(!error.to_string().contains("panicked"), "{error}: {start}");
            }
        }
        assert_eq!(stack.function_pids(binary), pids, "{binary} ended: {start}");
    }
}

#[track_caller]
fn check_http_answer(answer: &Value, event: &str) {
    let status = answer["statusCode"].as_u64().unwrap();
    assert!((200..500).contains(&status), "{answer}: {event}");
    if status >= 400 {
        assert_eq!(answer["headers"]["content-type"], "application/problem+json; charset=utf-8");
        let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(problem["status"], status, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_answers_whatever_an_event_holds() {
    let stack = TestStack::with(rate_limited("off")).await;
    // One after the other, so that each function has one process.
    for name in ["ana", "ben"] {
        stack.actor(name).await;
    }
    let (last, others): (Vec<_>, Vec<_>) =
        binaries().into_keys().partition(|binary| binary == "users-delete-me");
    let local = &stack.local;
    stream::iter(others).for_each_concurrent(CONCURRENT, async |binary| attack(local, &binary).await).await;
    for binary in last {
        attack(local, &binary).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_a_problem_before_any_token_check() {
    let stack = TestStack::new().await;
    let mut event: Value = serde_json::from_str(&sample("users-get-me")).unwrap();
    event["headers"].as_object_mut().unwrap().remove("authorization");
    event["rawQueryString"] = "a=<\">{}\u{7f}".into();
    for (event, status, code) in [
        (event.to_string(), 401, "invalid_token"),
        ("{}".to_owned(), 400, "malformed_request"),
        (event.to_string().replacen("\"a=<", "\"\\ud800", 1), 400, "malformed_request"),
    ] {
        let answer = stack.local.invoke("users-get-me", event).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        check_http_answer(&answer, code);
        assert_eq!(answer["statusCode"], status);
        assert!(answer["body"].as_str().unwrap().contains(code), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_answer_every_request_target() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let gateways = [stack.local.http_url(), stack.local.ws_url()];
    for gateway in gateways.map(|url| url.split('/').nth(2).unwrap()) {
        for target in [
            "/api/v1/users/me?a=<\">",
            "/api/v1/users/me?a=\x7f",
            "/api/v1/users/me?a b",
            "/api/v1/<users>/me",
            "/api/v1/users/%zz?%zz=%",
            "/api/v1/users/%00%ff",
            "/live?token=<\">",
            "/live?token=%ff%00",
            "//nowhere",
            "*",
            "http://[",
            "/nowhere?{}|\\^`",
            "/api/v1/users/ü?ü",
        ] {
            let mut connection = TcpStream::connect(gateway).await.unwrap();
            let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse::<u16>().ok());
            assert!(status.is_some_and(|status| (400..500).contains(&status)), "{target}: {answer}");
        }
    }
    ana.get("/users/me").await.ok();
}
