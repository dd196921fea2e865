//! Converts the result of a function to an HTTP response, payload format 2.0.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Parses the result of a function; `None` if API Gateway would reject it.
pub fn parse(payload: &[u8]) -> Option<Response<Body>> {
    let result: Value = serde_json::from_slice(payload).ok()?;
    let Some(status) = result.get("statusCode") else {
        return Some(inferred_response(&result));
    };
    let code = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    let code = StatusCode::from_u16(u16::try_from(code).ok()?).ok().filter(|code| code.as_u16() < 600)?;

    let body = match &result["body"] {
        Value::Null => Vec::new(),
        Value::String(text) if result["isBase64Encoded"] == true => STANDARD.decode(text).ok()?,
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    for (name, value) in result["headers"].as_object().into_iter().flatten() {
        set_header(headers, name, value, false)?;
    }
    // `multiValueHeaders` belongs to format 1.0. Runtimes send both; then this field has all values.
    for (name, values) in result["multiValueHeaders"].as_object().into_iter().flatten() {
        for (position, value) in values.as_array().into_iter().flatten().enumerate() {
            set_header(headers, name, value, position > 0)?;
        }
    }
    for cookie in result["cookies"].as_array().into_iter().flatten() {
        set_header(headers, "set-cookie", cookie, true)?;
    }
    if !headers.contains_key(header::CONTENT_TYPE) && code != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

/// A result without `statusCode` is itself the JSON body.
fn inferred_response(result: &Value) -> Response<Body> {
    let body = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn set_header(headers: &mut HeaderMap, name: &str, value: &Value, append: bool) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // The HTTP server sets the framing headers itself.
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

    async fn parts(result: Value) -> (StatusCode, HeaderMap, String) {
        let (parts, body) = parse(result.to_string().as_bytes()).unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_format_2_result_becomes_a_response() {
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
    async fn a_result_without_status_is_the_body() {
        let (status, headers, body) = parts(json!({"hello": "you"})).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, r#"{"hello":"you"}"#));
        assert_eq!(headers["content-type"], "application/json");
    }

    #[test]
    fn a_result_that_api_gateway_rejects_is_none() {
        for payload in [&b"not json"[..], br#"{"statusCode": 9}"#, br#"{"statusCode": {}}"#] {
            assert!(parse(payload).is_none());
        }
    }
}
