//! Cross-origin answers of the HTTP API, from its `CorsConfiguration`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::template::Cors;

/// The answer to a preflight request, or `None` if this is none.
pub fn preflight(cors: &Cors, request: &Parts) -> Option<Response<Body>> {
    let asks = request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if allow(cors, &request.headers, headers) {
        set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        if let Some(age) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
    }
    Some(response)
}

/// Puts the configured headers on an answer; those that the function set itself are dropped, as AWS does.
pub fn decorate(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    let own: Vec<HeaderName> =
        answer.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in own {
        answer.remove(name);
    }
    if allow(cors, request, answer) {
        set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed.join(","));
    }
}

/// Names the allowed origin, if the request's one is.
fn allow(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN) else {
        return false;
    };
    let text = origin.to_str().unwrap_or_default();
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    let fits = |allowed: &String| match allowed.strip_suffix('*') {
        Some(scheme) => text.starts_with(scheme),
        None => allowed.eq_ignore_ascii_case(text),
    };
    if !any && !cors.origins.iter().any(fits) {
        return false;
    }
    if any && !cors.credentials {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if cors.credentials {
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(method: &str, origin: &str) -> Parts {
        let request = Request::builder().method(method).header("origin", origin);
        request.header("access-control-request-method", "GET").body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_preflight_is_answered_for_allowed_origins_only() {
        let cors = Cors {
            origins: vec!["https://app.example".into()],
            headers: vec!["authorization".into(), "content-type".into()],
            max_age: Some(600),
            ..Cors::default()
        };
        let allowed = preflight(&cors, &parts("OPTIONS", "https://app.example")).unwrap();
        assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
        assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
        assert_eq!(allowed.headers()["access-control-allow-headers"], "authorization,content-type");
        let refused = preflight(&cors, &parts("OPTIONS", "https://evil.example")).unwrap();
        assert!(refused.headers().is_empty());
        assert!(preflight(&cors, &parts("GET", "https://app.example")).is_none());
    }

    #[test]
    fn the_functions_own_headers_give_way() {
        let cors = Cors { origins: vec!["*".into()], exposed: vec!["retry-after".into()], ..Cors::default() };
        let mut answer = HeaderMap::new();
        answer.insert("access-control-allow-origin", HeaderValue::from_static("https://else.example"));
        decorate(&cors, &parts("GET", "https://a.example").headers, &mut answer);
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert_eq!(answer["access-control-expose-headers"], "retry-after");
    }
}
