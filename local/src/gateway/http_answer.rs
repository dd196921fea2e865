//! A function's answer as the HTTP response it stands for, payload format 2.0.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Reads a function's answer; `None` if it is none that API Gateway understands.
pub fn read(payload: &[u8]) -> Option<Response<Body>> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    let Some(status) = answer.get("statusCode") else {
        return Some(inferred(&answer));
    };
    let code = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    let code = StatusCode::from_u16(u16::try_from(code).ok()?).ok().filter(|code| code.as_u16() < 600)?;

    let body = match &answer["body"] {
        Value::Null => Vec::new(),
        Value::String(text) if answer["isBase64Encoded"] == true => STANDARD.decode(text).ok()?,
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        put(headers, name, value, false)?;
    }
    // `multiValueHeaders` is format 1.0; runtimes send both, and then it is the complete one.
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        for (position, value) in values.as_array().into_iter().flatten().enumerate() {
            put(headers, name, value, position > 0)?;
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        put(headers, "set-cookie", cookie, true)?;
    }
    if !headers.contains_key(header::CONTENT_TYPE) && code != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

/// An answer without `statusCode` is the body itself, as JSON.
fn inferred(answer: &Value) -> Response<Body> {
    let body = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn put(headers: &mut HeaderMap, name: &str, value: &Value, append: bool) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // How the body travels is for the server to say.
    if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
        return Some(());
    }
    let value = HeaderValue::from_str(&text).ok()?;
    if append {
        headers.append(name, value);
    } else {
        headers.insert(name, value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn parts(answer: Value) -> (StatusCode, HeaderMap, String) {
        let (parts, body) = read(answer.to_string().as_bytes()).unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_format_2_answer_is_read() {
        let (status, headers, body) = parts(json!({
            "statusCode": 201,
            "headers": {"content-type": "application/problem+json", "retry-after": 7},
            "multiValueHeaders": {"content-type": ["application/problem+json"], "x-two": ["a", "b"]},
            "cookies": ["a=1", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": true,
        }))
        .await;
        assert_eq!((status.as_u16(), body.as_str()), (201, "hi"));
        assert_eq!(headers["retry-after"], "7");
        assert_eq!(headers.get_all("content-type").iter().count(), 1);
        assert_eq!(headers.get_all("x-two").iter().count(), 2);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    }

    #[tokio::test]
    async fn an_answer_without_status_is_the_body() {
        let (status, headers, body) = parts(json!({"hello": "you"})).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, r#"{"hello":"you"}"#));
        assert_eq!(headers["content-type"], "application/json");
    }

    #[test]
    fn what_api_gateway_does_not_understand_is_none() {
        for payload in [&b"not json"[..], br#"{"statusCode": 9}"#, br#"{"statusCode": {}}"#] {
            assert!(read(payload).is_none());
        }
    }
}
