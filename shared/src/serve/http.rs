//! The HTTP API: parameters that endpoints extract from calls, and responses.

use std::convert::Infallible;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use futures::FutureExt;
use lambda_http::{
    Body as HttpBody, Request, RequestExt, Response,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    },
    request::RequestContext,
};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    App, Error, Result,
    auth::Identity,
    clock::Timestamp,
    domain::page::Page,
    error::Refusal,
    id::UserId,
    serve::{Endpoint, Fatal, FromCall, compression::compressed, events, log_answered, measured},
    wire::{
        ListItem,
        fields::{Fields, Input, MAX_BODY_BYTES},
        json,
        problem::Problem,
    },
};

/// The header with the cursor of the next page.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// The maximum size of a page, in bytes of the function's result. Lambda limits the result to 6 MB.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The event is not a request of the HTTP API, or has a part that cannot be read.
const MALFORMED_REQUEST: Refusal =
    Refusal { status: 400, code: "malformed_request", detail: "The request cannot be read." };

/// A call of the HTTP API.
#[derive(Clone)]
pub struct HttpCall(Request);

impl HttpCall {
    /// The method, in upper case, and the raw path of the request.
    pub fn method_and_path(&self) -> (&str, &str) {
        (self.0.method().as_str(), self.0.raw_http_path())
    }

    /// When the gateway received the call.
    fn time(&self) -> Option<Timestamp> {
        match self.0.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => Timestamp::from_epoch(context.time_epoch),
            _ => None,
        }
    }

    /// The matched route, such as `/api/v1/chat/rooms/{room_id}/read`. The raw path has arbitrary content and
    /// must not be logged.
    fn route(&self) -> &str {
        let key = match self.0.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref(),
            _ => None,
        };
        let key = key.unwrap_or("$default");
        key.split_once(' ').map_or(key, |(_, path)| path)
    }
}

/// Runs an endpoint of the HTTP API until the process ends.
pub async fn serve<A, E>(endpoint: E) -> Result<(), Fatal>
where
    A: 'static,
    E: Endpoint<HttpCall, A, Reply: HttpReply>,
{
    super::log::init();
    let app = App::from_env().await?;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        // Boxed to erase its type, whose nesting is beyond the limit of the compiler.
        async move { Ok::<_, Infallible>(handle(&app, &endpoint, event).await) }.boxed()
    }))
    .await
}

async fn handle<A, E>(app: &App, endpoint: &E, event: LambdaEvent<Box<RawValue>>) -> ApiGatewayV2httpResponse
where
    E: Endpoint<HttpCall, A, Reply: HttpReply>,
{
    let LambdaEvent { payload, context } = event;
    let request_id = context.request_id.clone();
    let Some(request) = events::http_request(payload.get()) else {
        tracing::warn!(request_id, "the event is not a request of the HTTP API");
        return result(problem(&Problem::of(&MALFORMED_REQUEST.into(), &request_id)));
    };
    result(answer(app, endpoint, request.with_lambda_context(context)).await)
}

/// The result of the function, which the gateway converts to an HTTP response.
fn result(response: Response<HttpBody>) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut result = ApiGatewayV2httpResponse::default();
    result.status_code = parts.status.as_u16().into();
    result.headers = parts.headers;
    result.is_base64_encoded = matches!(body, HttpBody::Binary(_));
    // The gateway's format has no other empty body.
    result.body = Some(if body.is_empty() { HttpBody::Text(String::new()) } else { body });
    result
}

/// Handles a call. Errors become problem responses.
pub async fn answer<A, E>(app: &App, endpoint: &E, request: Request) -> Response<HttpBody>
where
    E: Endpoint<HttpCall, A, Reply: HttpReply>,
{
    let call = HttpCall(request);
    let request_id =
        call.0.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let (reply, measured) = measured(endpoint.run(&app.at(call.time()), &call)).await;
    let (response, error) = match reply.and_then(HttpReply::respond) {
        Ok(response) => (response, None),
        Err(error) => (problem(&Problem::of(&error, &request_id)), Some(error)),
    };
    let (method, path) = (call.0.method().as_str(), call.route());
    let status = response.status().as_u16();
    log_answered!(&error, measured, method, path, status, request_id);
    let accepted = call.0.headers().get(ACCEPT_ENCODING);
    compressed(response, accepted.and_then(|accepted| accepted.to_str().ok()))
}

fn problem(problem: &Problem) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::Text(serde_json::to_string(problem).unwrap_or_default()));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json; charset=utf-8"));
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A successful result of an HTTP endpoint.
pub trait HttpReply {
    /// Converts the result to a response.
    fn respond(self) -> Result<Response<HttpBody>>;
}

/// A 200 with JSON.
pub struct Json<T>(pub T);

impl<T: Serialize> HttpReply for Json<T> {
    fn respond(self) -> Result<Response<HttpBody>> {
        Ok(json_response(serde_json::to_string(&self.0).map_err(Error::internal)?))
    }
}

/// A 202 with JSON: another call completes the action.
pub struct Accepted<T>(pub T);

impl<T: Serialize> HttpReply for Accepted<T> {
    fn respond(self) -> Result<Response<HttpBody>> {
        let mut response = Json(self.0).respond()?;
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}

/// A 200 with a JSON array, and with the cursor of the next page if there is one. A page ends where it would
/// be too large for a response.
pub struct JsonPage<T>(pub Page<T>);

impl<T: Serialize + ListItem> HttpReply for JsonPage<T> {
    fn respond(self) -> Result<Response<HttpBody>> {
        let Page { items, mut next } = self.0;
        let (mut array, mut bytes) = (String::from("["), 0);
        for (index, item) in items.iter().enumerate() {
            let json = serde_json::to_string(item).map_err(Error::internal)?;
            bytes += escaped_bytes(&json);
            if let Some(last) = index.checked_sub(1).filter(|_| bytes > MAX_PAGE_BYTES) {
                next = Some(items[last].cursor());
                break;
            }
            if index > 0 {
                array.push(',');
            }
            array.push_str(&json);
        }
        array.push(']');
        let mut response = json_response(array);
        if let Some(next) = next {
            response
                .headers_mut()
                .insert(NEXT_CURSOR, HeaderValue::from_str(&next).map_err(Error::internal)?);
        }
        Ok(response)
    }
}

/// The size of a JSON text in the result of a function, which is JSON with the body as a string.
fn escaped_bytes(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

fn json_response(json: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::Text(json));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// `None` is a 204.
impl<T: HttpReply> HttpReply for Option<T> {
    fn respond(self) -> Result<Response<HttpBody>> {
        let no_content = || {
            let mut response = Response::new(HttpBody::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        };
        self.map_or_else(no_content, HttpReply::respond)
    }
}

/// The return type of HTTP endpoints with a JSON response.
pub type Reply<T> = Result<Json<T>>;

/// The return type of HTTP endpoints with a page of a list.
pub type PageReply<T> = Result<JsonPage<T>>;

/// The caller: a user with a valid token and an existing profile.
#[derive(Clone, Copy, Debug)]
pub struct Me {
    /// The user.
    pub id: UserId,
}

impl FromCall<HttpCall> for Me {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let Bearer(identity) = Bearer::from_call(app, call).await?;
        app.ensure_profile(&identity).await?;
        Ok(Self { id: identity.user_id })
    }
}

/// The caller of an endpoint that only reads: as [`Me`], and the call is charged to the user's read budget.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The user.
    pub id: UserId,
}

impl FromCall<HttpCall> for Reader {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let Me { id } = Me::from_call(app, call).await?;
        app.charge_reads(id);
        Ok(Self { id })
    }
}

/// The identity of a valid token. The user may have no account.
#[derive(Clone, Debug)]
pub struct Bearer(pub Identity);

impl FromCall<HttpCall> for Bearer {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let header = call.0.headers().get(AUTHORIZATION).ok_or(Error::InvalidToken("missing"))?;
        let header = header.to_str().map_err(|_| Error::InvalidToken("malformed header"))?;
        let token = bearer(header).ok_or(Error::InvalidToken("not a bearer token"))?;
        app.verify(token).await.map(Self)
    }
}

/// The token of an `Authorization` header (RFC 6750, section 2.1).
pub(super) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The JSON object in the body.
pub struct Body<T>(pub T);

impl<T: Input> FromCall<HttpCall> for Body<T> {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let body = call.0.body().as_ref();
        if body.len() > MAX_BODY_BYTES {
            return Err(Error::TooLarge);
        }
        let values = std::str::from_utf8(body).ok().and_then(json::object).ok_or(Error::MalformedJson)?;
        Fields::of_json(values, &app.config).read().map(Self)
    }
}

/// An optional body.
impl<T: Input> FromCall<HttpCall> for Option<Body<T>> {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        if call.0.body().as_ref().is_empty() {
            return Ok(None);
        }
        Body::from_call(app, call).await.map(Some)
    }
}

/// The parameters of the query.
pub struct Query<T>(pub T);

impl<T: Input> FromCall<HttpCall> for Query<T> {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let parameters = call.0.query_string_parameters();
        let pairs = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Fields::of_text(pairs, &app.config).read().map(Self)
    }
}

/// The parameters of the path.
pub struct Path<T>(pub T);

impl<T: Input> FromCall<HttpCall> for Path<T> {
    async fn from_call(app: &App, call: &HttpCall) -> Result<Self> {
        let parameters = call.0.path_parameters();
        let pairs = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Fields::of_text(pairs, &app.config).read().map(Self)
    }
}

/// The call itself, for the endpoint of unknown routes.
impl FromCall<HttpCall> for HttpCall {
    async fn from_call(_: &App, call: &HttpCall) -> Result<Self> {
        Ok(call.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Numbered(usize, String);

    impl ListItem for Numbered {
        fn cursor(&self) -> String {
            self.0.to_string()
        }
    }

    /// The cursor of the page that follows these texts, and the number of texts on the page itself.
    fn page(texts: Vec<String>) -> (Option<String>, usize) {
        let items = texts.into_iter().enumerate().map(|(n, text)| Numbered(n, text)).collect();
        let response = JsonPage(Page { items, next: None }).respond().unwrap();
        let next = response.headers().get(NEXT_CURSOR).map(|next| next.to_str().unwrap().to_owned());
        let shown: Vec<serde_json::Value> = serde_json::from_slice(response.body().as_ref()).unwrap();
        (next, shown.len())
    }

    #[test]
    fn a_page_ends_where_it_would_be_too_large() {
        let megabyte = "x".repeat(1024 * 1024 - 10);
        assert_eq!(page(vec![]), (None, 0));
        assert_eq!(page(vec![megabyte.clone(); 4]), (None, 4));
        assert_eq!(page(vec![megabyte; 9]), (Some("3".into()), 4));
        // Quotes are escaped twice.
        assert_eq!(page(vec!["\"".repeat(1024 * 1024); 2]), (Some("0".into()), 1));
        // An item that is larger than a page is a page.
        assert_eq!(page(vec!["x".repeat(MAX_PAGE_BYTES + 1); 2]), (Some("0".into()), 1));
    }

    #[test]
    fn a_bearer_token_follows_the_scheme_in_any_case() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
        assert_eq!(bearer("Basic YTpi"), None);
        assert_eq!(bearer("a.b.c"), None);
    }
}
