//! Whether a call and its answer are as `openapi.yaml` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jsonschema::Validator;
use reqwest::{Url, header::HeaderMap};
use serde_json::Value;

use super::schema::{OPENAPI, faults, from_text, resolve, validator};

/// One answer that the contract knows: an operation, a status and a content type.
pub type Documented = (String, u16, String);

/// Stands where an answer has no content, and so no type of it.
const NO_CONTENT: &str = "none";

/// A call as it was made, and what came back.
pub struct Exchange<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub body: Option<&'a str>,
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub text: &'a str,
}

/// Every operation.
pub static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let paths = OPENAPI["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| Operation::read(method, path, operation))
    });
    operations.collect()
});

/// What a path that is not in the contract is answered with.
static UNKNOWN_PATH: LazyLock<Reply> =
    LazyLock::new(|| Reply::read(&OPENAPI["components"]["responses"]["NotFound"]));

/// Headers that the gateway and the connection add to every answer.
const COMMON_HEADERS: [&str; 5] = ["apigw-requestid", "content-length", "content-type", "date", "vary"];

/// One operation.
pub struct Operation {
    pub id: String,
    /// In capitals.
    pub method: String,
    pub path: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    replies: BTreeMap<u16, Reply>,
}

struct Parameter {
    name: String,
    place: String,
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

/// Checks an exchange, and says what of the contract it exercised; nothing if the path is not in it.
pub fn check(exchange: &Exchange) -> Option<Documented> {
    let url = Url::parse(exchange.url).unwrap();
    let found = OPERATIONS.iter().filter_map(|operation| {
        let parameters = operation.matches(exchange.method, url.path())?;
        Some((operation, parameters))
    });
    // The most literal one, as the gateway chooses.
    let found = found.min_by_key(|(_, parameters)| parameters.len());
    let fault = match &found {
        Some((operation, parameters)) => operation.fault(exchange, &url, parameters),
        None if exchange.status == 404 => UNKNOWN_PATH.fault(exchange),
        None => Some("it is not in openapi.yaml, so it must be a 404".to_owned()),
    };
    let id = found.as_ref().map_or("nothing that is documented", |(operation, _)| operation.id.as_str());
    if let Some(fault) = fault {
        let Exchange { method, url, body, status, text, .. } = exchange;
        let body = body.unwrap_or("no body");
        panic!("against the contract: {id}\n{method} {url}\n{body}\nanswered {status}\n{text}\n{fault}");
    }
    found.map(|(operation, _)| (operation.id.clone(), exchange.status, content_type(exchange.headers)))
}

/// Every answer that is documented.
pub fn documented() -> BTreeSet<Documented> {
    let replies = OPERATIONS.iter().flat_map(|operation| {
        operation.replies.iter().flat_map(|(status, reply)| {
            reply.kinds().into_iter().map(|kind| (operation.id.clone(), *status, kind.to_owned()))
        })
    });
    replies.collect()
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or(NO_CONTENT).to_owned()
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

    /// The parameters of a path that is this operation's.
    fn matches(&self, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
        let (own, asked) = (self.path.split('/'), path.split('/'));
        if method != self.method || own.clone().count() != asked.clone().count() {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for (own, asked) in own.zip(asked) {
            match own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
                Some(name) if !asked.is_empty() => drop(parameters.insert(name.to_owned(), asked.to_owned())),
                None if own == asked => {}
                _ => return None,
            }
        }
        Some(parameters)
    }

    fn fault(&self, exchange: &Exchange, url: &Url, in_path: &BTreeMap<String, String>) -> Option<String> {
        let Some(reply) = self.replies.get(&exchange.status) else {
            return Some("its status is not documented".to_owned());
        };
        let of_call = || {
            let in_query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            let places = [("path", in_path), ("query", &in_query)];
            self.body_fault(exchange.body).or_else(|| {
                self.parameters.iter().find_map(|parameter| {
                    let (_, given) = places.iter().find(|(place, _)| *place == parameter.place)?;
                    parameter.fault(given.get(&parameter.name).map(String::as_str))
                })
            })
        };
        // What was taken must have been right. What was refused may have been anything.
        let taken = (200..300).contains(&exchange.status);
        reply.fault(exchange).or_else(|| taken.then(of_call).flatten())
    }

    fn body_fault(&self, body: Option<&str>) -> Option<String> {
        let own = self.body.as_ref()?;
        match body.map(serde_json::from_str) {
            None => own.required.then(|| "it was taken without its body".to_owned()),
            Some(Err(error)) => Some(format!("its body was taken, and is no JSON: {error}")),
            Some(Ok(body)) => {
                faults(&own.validator, &body).map(|fault| format!("its body was taken, but {fault}"))
            }
        }
    }
}

impl Parameter {
    /// Parameters have a name of their own; headers have theirs from where they stand.
    fn read(name: Option<&str>, parameter: &Value) -> Self {
        let parameter = resolve(&OPENAPI, parameter);
        Self {
            name: name.or(parameter["name"].as_str()).unwrap().to_owned(),
            place: parameter["in"].as_str().unwrap_or("header").to_owned(),
            required: parameter["required"] == true,
            validator: validator(&OPENAPI, &parameter["schema"]),
            schema: parameter["schema"].clone(),
        }
    }

    fn fault(&self, given: Option<&str>) -> Option<String> {
        let Self { name, place, .. } = self;
        match given {
            None => self.required.then(|| format!("{place} {name} is missing")),
            Some(text) => faults(&self.validator, &from_text(&OPENAPI, &self.schema, text))
                .map(|fault| format!("{place} {name}={text} {fault}")),
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

    /// The content types that it may have.
    fn kinds(&self) -> Vec<&str> {
        if self.contents.is_empty() {
            return vec![NO_CONTENT];
        }
        self.contents.keys().map(String::as_str).collect()
    }

    fn fault(&self, exchange: &Exchange) -> Option<String> {
        let kind = content_type(exchange.headers);
        if !self.kinds().contains(&kind.as_str()) {
            return Some(format!("its content type {kind} is not documented"));
        }
        let unknown = exchange.headers.keys().map(reqwest::header::HeaderName::as_str).find(|name| {
            let common = COMMON_HEADERS.contains(name) || name.starts_with("access-control-");
            !common && !self.headers.contains_key(*name)
        });
        let of_headers = || {
            self.headers.iter().find_map(|(name, header)| {
                header.fault(exchange.headers.get(name).map(|value| value.to_str().unwrap()))
            })
        };
        self.content_fault(&kind, exchange.text)
            .or_else(|| unknown.map(|name| format!("its header {name} is not documented")))
            .or_else(of_headers)
    }

    fn content_fault(&self, kind: &str, text: &str) -> Option<String> {
        match self.contents.get(kind) {
            None => (!text.is_empty()).then(|| "it has content, and none is documented".to_owned()),
            Some(validator) => match serde_json::from_str(text) {
                Ok(body) => faults(validator, &body),
                Err(error) => Some(format!("its body is no JSON: {error}")),
            },
        }
    }
}
