//! The web client: the files in `web/`, with the headers that a deployment sends, and its configuration.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;
use tower_http::services::ServeDir;

use super::http::TOKEN_PATH;
use super::{Quiet, json_response};
use crate::options::{Person, project_root};

/// Names the addresses of the APIs, and how to sign in.
const CONFIG_PATH: &str = "/config.json";

/// The page loads nothing from other sites except avatars. Scripts cannot write unchecked HTML (Trusted Types).
/// The page that shows two people frames itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self' ws: wss:; img-src 'self' https: data:; manifest-src 'self'; worker-src 'self'; \
    frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types lit-html service-worker";

/// Serves the web client.
#[derive(Debug)]
pub struct WebClient {
    files: ServeDir,
    /// The address of the WebSocket API, without the host: port and path.
    socket: String,
    people: Vec<Person>,
}

impl WebClient {
    /// Creates the client of a WebSocket API at `socket`, such as `:3001/live`.
    pub fn new(socket: String, people: Vec<Person>) -> Self {
        Self { files: ServeDir::new(project_root().join("web")), socket, people }
    }

    /// The response to a request for a file of the client, otherwise `None`.
    pub async fn respond(&self, request: &Parts) -> Option<Response<Body>> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return None;
        }
        let mut response = if request.uri.path() == CONFIG_PATH {
            json_response(StatusCode::OK, &self.config(request))
        } else {
            self.file(request).await?
        };
        response.extensions_mut().insert(Quiet);
        protect(response.headers_mut());
        Some(response)
    }

    async fn file(&self, request: &Parts) -> Option<Response<Body>> {
        let mut wanted = Request::new(Body::empty());
        *wanted.method_mut() = request.method.clone();
        *wanted.uri_mut() = request.uri.clone();
        // `If-Modified-Since` and `Range`.
        wanted.headers_mut().clone_from(&request.headers);
        let response = self.files.clone().try_call(wanted).await.ok()?;
        (response.status() != StatusCode::NOT_FOUND).then(|| response.map(Body::new))
    }

    /// The socket has the host that the page was reached at: another device cannot reach this machine's loopback.
    fn config(&self, request: &Parts) -> serde_json::Value {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = host.as_ref().map_or("localhost", Authority::host);
        let people: Vec<_> = self
            .people
            .iter()
            .map(|person| json!({ "username": person.username, "name": person.name }))
            .collect();
        json!({
            "api": "",
            "socket": format!("ws://{host}{}", self.socket),
            "sign_in": TOKEN_PATH,
            "people": people,
        })
    }
}

/// Sets the headers of every page. A browser asks for each file again, so that a reload shows an edited one.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
