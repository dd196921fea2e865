//! The pages about the stack itself: what this is, the contracts and the documents.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};

use super::web;
use crate::options::project_root;

/// The served files of the project, with their descriptions.
const FILES: [(&str, &str); 6] = [
    ("openapi.yaml", "the HTTP API, as OpenAPI"),
    ("asyncapi.yaml", "the WebSocket API, as AsyncAPI"),
    ("docs/api.md", "all calls and frames"),
    ("docs/client-protocol.md", "what a client does"),
    ("docs/development.md", "this local stack"),
    ("README.md", "the project"),
];

/// The response to a request for one of the pages, otherwise `None`.
pub async fn respond(request: &Parts) -> Option<Response<Body>> {
    if request.method != Method::GET {
        return None;
    }
    let path = request.uri.path().strip_prefix('/')?;
    if path == "local" {
        return Some(page("text/html; charset=utf-8", index()));
    }
    let (file, _) = FILES.into_iter().find(|(file, _)| *file == path)?;
    let content = tokio::fs::read_to_string(project_root().join(file)).await;
    // Text in any case, so that a browser shows the file instead of downloading it.
    Some(content.map_or_else(|_| missing(), |content| page("text/plain; charset=utf-8", content)))
}

fn index() -> String {
    let links = FILES.map(|(file, about)| format!("<li><a href=\"/{file}\">{file}</a>: {about}\n")).concat();
    format!(
        "<!doctype html>\n<html lang=\"en\"><title>Athlytiq Chat</title>\n<h1>Athlytiq Chat</h1>\n\
         <p>The local stack of the chat and friends backend. <a href=\"/\">Open the web client.</a>\n\
         <p>All calls are below <code>/api/v1</code>.\n\
         <code>cargo run -p local -- token ana</code> prints a token.\n<ul>\n{links}</ul>\n"
    )
}

fn page(kind: &'static str, content: String) -> Response<Body> {
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    web::protect(response.headers_mut());
    response
}

fn missing() -> Response<Body> {
    let mut response =
        page("text/plain; charset=utf-8", "The file is not in the project folder.\n".to_owned());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
