//! Cross-origin answers of the HTTP API, from its `CorsConfiguration`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::template::Cors;

/// Whether a browser asks here what it may do.
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The gateway's own answer to a preflight request that no route takes, or `None` if this is none. A route for any
/// method, `$default` among them, takes preflights as well.
pub fn preflight(request: &Parts) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    is_preflight(request).then_some(response)
}

/// Puts the configured headers on an answer; those that the function set itself are dropped, as AWS does.
pub fn decorate(cors: &Cors, request: &Parts, answer: &mut HeaderMap) {
    let own: Vec<HeaderName> =
        answer.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in own {
        answer.remove(name);
    }
    if !allow(cors, &request.headers, answer) {
        return;
    }
    if is_preflight(request) {
        set(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        set(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        if let Some(age) = cors.max_age {
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
    } else {
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
        let headers = |request: &Parts| {
            let mut answer = HeaderMap::new();
            decorate(&cors, request, &mut answer);
            answer
        };
        let allowed = parts("OPTIONS", "https://app.example");
        assert_eq!(preflight(&allowed).unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(headers(&allowed)["access-control-allow-origin"], "https://app.example");
        assert_eq!(headers(&allowed)["access-control-allow-headers"], "authorization,content-type");
        assert!(headers(&parts("OPTIONS", "https://evil.example")).is_empty());
        assert!(preflight(&parts("GET", "https://app.example")).is_none());
    }

    #[test]
    fn the_functions_own_headers_give_way() {
        let cors = Cors { origins: vec!["*".into()], exposed: vec!["retry-after".into()], ..Cors::default() };
        let mut answer = HeaderMap::new();
        answer.insert("access-control-allow-origin", HeaderValue::from_static("https://else.example"));
        decorate(&cors, &parts("GET", "https://a.example"), &mut answer);
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert_eq!(answer["access-control-expose-headers"], "retry-after");
    }
}
