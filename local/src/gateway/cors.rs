//! CORS headers of the HTTP API, from its `CorsConfiguration`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use std::net::IpAddr;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::guard::is_own_origin;
use crate::template::Cors;

/// Whether the request is a CORS preflight request.
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The gateway's response to a preflight request without a matching route; `None` for any other request.
/// Routes for any method, including `$default`, also receive preflight requests.
pub fn preflight(request: &Parts) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    is_preflight(request).then_some(response)
}

/// Sets the configured headers on a response. Like API Gateway, it removes the CORS headers of the function.
/// In addition to the configured origins, pages of this machine are allowed; `local` is its address.
pub fn apply(cors: &Cors, request: &Parts, local: IpAddr, response: &mut HeaderMap) {
    let existing: Vec<HeaderName> =
        response.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in existing {
        response.remove(name);
    }
    if !allow_origin(cors, &request.headers, local, response) {
        return;
    }
    if is_preflight(request) {
        set(response, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        set(response, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        if let Some(age) = cors.max_age {
            response.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
    } else {
        set(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed.join(","));
    }
}

/// Sets the headers for the request's origin, and returns whether the origin is allowed.
fn allow_origin(cors: &Cors, request: &HeaderMap, local: IpAddr, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN) else {
        return false;
    };
    let text = origin.to_str().unwrap_or_default();
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    let matches = |allowed: &String| match allowed.strip_suffix('*') {
        Some(scheme) => text.starts_with(scheme),
        None => allowed.eq_ignore_ascii_case(text),
    };
    if !any && !is_own_origin(origin, local) && !cors.origins.iter().any(matches) {
        return false;
    }
    if any && !cors.credentials {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if cors.credentials {
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
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

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn parts(method: &str, origin: &str) -> Parts {
        let request = Request::builder().method(method).header("origin", origin);
        request.header("access-control-request-method", "GET").body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_allowed_origins_get_cors_headers_on_a_preflight() {
        let cors = Cors {
            origins: vec!["https://app.example".into()],
            headers: vec!["authorization".into(), "content-type".into()],
            max_age: Some(600),
            ..Cors::default()
        };
        let headers = |request: &Parts| {
            let mut response = HeaderMap::new();
            apply(&cors, request, LOCAL, &mut response);
            response
        };
        let allowed = parts("OPTIONS", "https://app.example");
        assert_eq!(preflight(&allowed).unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(headers(&allowed)["access-control-allow-origin"], "https://app.example");
        assert_eq!(headers(&allowed)["access-control-allow-headers"], "authorization,content-type");
        let local = parts("OPTIONS", "http://localhost:5173");
        assert_eq!(headers(&local)["access-control-allow-origin"], "http://localhost:5173");
        assert!(headers(&parts("OPTIONS", "https://evil.example")).is_empty());
        assert!(preflight(&parts("GET", "https://app.example")).is_none());
    }

    #[test]
    fn cors_headers_of_the_function_are_replaced() {
        let cors = Cors { origins: vec!["*".into()], exposed: vec!["retry-after".into()], ..Cors::default() };
        let mut response = HeaderMap::new();
        response.insert("access-control-allow-origin", HeaderValue::from_static("https://other.example"));
        apply(&cors, &parts("GET", "https://a.example"), LOCAL, &mut response);
        assert_eq!(response["access-control-allow-origin"], "*");
        assert_eq!(response["access-control-expose-headers"], "retry-after");
    }
}
