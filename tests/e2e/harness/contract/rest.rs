//! Checks calls and their answers against `openapi.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jsonschema::Validator;
use reqwest::{Url, header::HeaderMap};
use serde_json::Value;

use super::schema::{OPENAPI, from_text, resolve, validator, violations};

/// A documented answer: an operation id, a status and a content type.
pub type Documented = (String, u16, String);

/// The content type of an answer without content.
const NO_CONTENT: &str = "none";

/// A call and its answer.
pub struct Exchange<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub body: Option<&'a str>,
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub text: &'a str,
}

/// The operations of `openapi.yaml`.
pub static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let paths = OPENAPI["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| Operation::read(method, path, operation))
    });
    operations.collect()
});

/// The answer to a path that is not documented.
static UNKNOWN_PATH: LazyLock<Reply> =
    LazyLock::new(|| Reply::read(&OPENAPI["components"]["responses"]["NotFound"]));

/// Headers that the gateway and HTTP itself add to every answer.
const COMMON_HEADERS: [&str; 6] =
    ["apigw-requestid", "content-encoding", "content-length", "content-type", "date", "vary"];

/// A documented operation.
pub struct Operation {
    pub id: String,
    /// In upper case.
    pub method: String,
    pub path: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    replies: BTreeMap<u16, Reply>,
}

struct Parameter {
    name: String,
    location: String,
    required: bool,
    schema: Value,
    validator: Validator,
}

struct Body {
    required: bool,
    validator: Validator,
}

struct Reply {
    headers: BTreeMap<String, Parameter>,
    contents: BTreeMap<String, Validator>,
}

/// Checks an exchange and returns the documented answer. `None` if the path is not documented.
pub fn check(exchange: &Exchange) -> Option<Documented> {
    let url = Url::parse(exchange.url).unwrap();
    let found = OPERATIONS.iter().filter_map(|operation| {
        let parameters = operation.matches(exchange.method, url.path())?;
        Some((operation, parameters))
    });
    // The gateway prefers the route with the fewest path parameters.
    let found = found.min_by_key(|(_, parameters)| parameters.len());
    let violation = match &found {
        Some((operation, parameters)) => operation.violation(exchange, &url, parameters),
        None if exchange.status == 404 => UNKNOWN_PATH.violation(exchange),
        None => Some("the path is not in openapi.yaml, so the status must be 404".to_owned()),
    };
    let id = found.as_ref().map_or("an undocumented path", |(operation, _)| operation.id.as_str());
    if let Some(violation) = violation {
        let Exchange { method, url, body, status, text, .. } = exchange;
        let body = body.unwrap_or("no body");
        panic!("contract violation: {id}\n{method} {url}\n{body}\n{status}\n{text}\n{violation}");
    }
    found.map(|(operation, _)| (operation.id.clone(), exchange.status, content_type(exchange.headers)))
}

/// Every documented answer.
pub fn documented() -> BTreeSet<Documented> {
    let replies = OPERATIONS.iter().flat_map(|operation| {
        operation.replies.iter().flat_map(|(status, reply)| {
            reply.kinds().into_iter().map(|kind| (operation.id.clone(), *status, kind.to_owned()))
        })
    });
    replies.collect()
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or(NO_CONTENT);
    // The functions name the charset, the gateway's own errors do not.
    value.strip_suffix("; charset=utf-8").unwrap_or(value).to_owned()
}

fn contents(holder: &Value) -> BTreeMap<String, Validator> {
    let contents = holder["content"].as_object().into_iter().flatten();
    contents.map(|(kind, content)| (kind.clone(), validator(&OPENAPI, &content["schema"]))).collect()
}

impl Operation {
    fn read(method: &str, path: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let body = operation.get("requestBody").map(|body| Body {
            required: body["required"] == true,
            validator: contents(body).remove("application/json").expect("bodies are JSON"),
        });
        let replies = operation["responses"].as_object().unwrap().iter();
        Self {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            parameters: parameters.iter().map(|parameter| Parameter::read(None, parameter)).collect(),
            body,
            replies: replies
                .map(|(status, reply)| (status.parse().unwrap(), Reply::read(resolve(&OPENAPI, reply))))
                .collect(),
        }
    }

    /// The path parameters of a call of this operation. `None` if the call is of another one.
    fn matches(&self, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
        let (template, actual) = (self.path.split('/'), path.split('/'));
        if method != self.method || template.clone().count() != actual.clone().count() {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for (template, actual) in template.zip(actual) {
            match template.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !actual.is_empty() => {
                    drop(parameters.insert(name.to_owned(), actual.to_owned()));
                }
                None if template == actual => {}
                _ => return None,
            }
        }
        Some(parameters)
    }

    fn violation(
        &self,
        exchange: &Exchange,
        url: &Url,
        in_path: &BTreeMap<String, String>,
    ) -> Option<String> {
        let Some(reply) = self.replies.get(&exchange.status) else {
            return Some("its status is not documented".to_owned());
        };
        let call_violation = || {
            let in_query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            let locations = [("path", in_path), ("query", &in_query)];
            self.body_violation(exchange.body).or_else(|| {
                self.parameters.iter().find_map(|parameter| {
                    let (_, value) =
                        locations.iter().find(|(location, _)| *location == parameter.location)?;
                    parameter.violation(value.get(&parameter.name).map(String::as_str))
                })
            })
        };
        // An accepted call must be valid. A rejected call may be anything.
        let is_accepted = (200..300).contains(&exchange.status);
        reply.violation(exchange).or_else(|| is_accepted.then(call_violation).flatten())
    }

    fn body_violation(&self, body: Option<&str>) -> Option<String> {
        let documented = self.body.as_ref()?;
        match body.map(serde_json::from_str) {
            None => documented.required.then(|| "a call without its required body was accepted".to_owned()),
            Some(Err(error)) => Some(format!("a body that is not JSON was accepted: {error}")),
            Some(Ok(body)) => violations(&documented.validator, &body)
                .map(|violation| format!("an invalid body was accepted: {violation}")),
        }
    }
}

impl Parameter {
    /// A parameter contains its name. The name of a header is its key in the answer's `headers`.
    fn read(name: Option<&str>, parameter: &Value) -> Self {
        let parameter = resolve(&OPENAPI, parameter);
        Self {
            name: name.or(parameter["name"].as_str()).unwrap().to_owned(),
            location: parameter["in"].as_str().unwrap_or("header").to_owned(),
            required: parameter["required"] == true,
            validator: validator(&OPENAPI, &parameter["schema"]),
            schema: parameter["schema"].clone(),
        }
    }

    fn violation(&self, value: Option<&str>) -> Option<String> {
        let Self { name, location, .. } = self;
        match value {
            None => self.required.then(|| format!("{location} {name} is missing")),
            Some(text) => violations(&self.validator, &from_text(&OPENAPI, &self.schema, text))
                .map(|violation| format!("{location} {name}={text} {violation}")),
        }
    }
}

impl Reply {
    fn read(reply: &Value) -> Self {
        let headers = reply["headers"].as_object().cloned().unwrap_or_default();
        let headers =
            headers.iter().map(|(name, header)| (name.to_lowercase(), Parameter::read(Some(name), header)));
        Self { headers: headers.collect(), contents: contents(reply) }
    }

    /// The documented content types.
    fn kinds(&self) -> Vec<&str> {
        if self.contents.is_empty() {
            return vec![NO_CONTENT];
        }
        self.contents.keys().map(String::as_str).collect()
    }

    fn violation(&self, exchange: &Exchange) -> Option<String> {
        let kind = content_type(exchange.headers);
        if !self.kinds().contains(&kind.as_str()) {
            return Some(format!("its content type {kind} is not documented"));
        }
        let unknown = exchange.headers.keys().map(reqwest::header::HeaderName::as_str).find(|name| {
            let common = COMMON_HEADERS.contains(name) || name.starts_with("access-control-");
            !common && !self.headers.contains_key(*name)
        });
        let header_violation = || {
            self.headers.iter().find_map(|(name, header)| {
                header.violation(exchange.headers.get(name).map(|value| value.to_str().unwrap()))
            })
        };
        self.content_violation(&kind, exchange.text)
            .or_else(|| unknown.map(|name| format!("its header {name} is not documented")))
            .or_else(header_violation)
    }

    fn content_violation(&self, kind: &str, text: &str) -> Option<String> {
        match self.contents.get(kind) {
            None => (!text.is_empty()).then(|| "it has content, but no content is documented".to_owned()),
            Some(validator) => match serde_json::from_str(text) {
                Ok(body) => violations(validator, &body),
                Err(error) => Some(format!("its body is not JSON: {error}")),
            },
        }
    }
}
