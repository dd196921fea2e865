//! The HTTP API: `HttpApi` events of functions, and the API's CORS configuration.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Source;

/// SAM's logical id of the API of `HttpApi` events without `ApiId`.
const IMPLICIT_API: &str = "ServerlessHttpApi";

/// An HTTP API in front of the functions.
#[derive(Debug, Default)]
pub struct HttpApi {
    /// The logical id, which is also the API id.
    pub id: String,
    /// All routes, including `$default`.
    pub routes: Vec<HttpRoute>,
    /// The CORS configuration; `None` disables CORS.
    pub cors: Option<Cors>,
}

/// The method part of a route key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Every method.
    Any,
    /// One method, in capitals.
    Only(String),
}

/// One route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRoute {
    /// The method and the path, for example `/api/v1/chat/rooms/{id}`; `None` is the `$default` route.
    pub key: Option<(Verb, String)>,
    /// The function's logical id.
    pub function: String,
    /// The integration timeout, if the template declares one.
    pub timeout: Option<Duration>,
}

/// The CORS configuration of an HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// The allowed origins: exact origins, `*`, or all origins of a scheme, for example `https://*`.
    pub origins: Vec<String>,
    /// `Access-Control-Allow-Methods`.
    pub methods: Vec<String>,
    /// `Access-Control-Allow-Headers`.
    pub headers: Vec<String>,
    /// `Access-Control-Expose-Headers`.
    pub exposed: Vec<String>,
    /// `Access-Control-Max-Age` in seconds.
    pub max_age: Option<u64>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
}

pub(super) fn read(source: &Source, notices: &mut Vec<String>) -> Result<HttpApi> {
    let mut api: Option<String> = None;
    let mut routes = Vec::new();
    for resource in source.resources("AWS::Serverless::Function")? {
        for (name, event) in resource.properties["Events"].as_object().into_iter().flatten() {
            let location = || format!("event {name} of {}", resource.id);
            match event["Type"].as_str().unwrap_or_default() {
                "HttpApi" => {
                    let (owner, route) =
                        route(source, resource.id, &event["Properties"]).with_context(location)?;
                    if *api.get_or_insert_with(|| owner.clone()) != owner {
                        bail!("{}: the local stack supports only one HTTP API", location());
                    }
                    if routes.iter().any(|other: &HttpRoute| other.key == route.key) {
                        bail!("{}: the route is declared more than once", location());
                    }
                    routes.push(route);
                }
                "Schedule" => {}
                "Api" => bail!("{}: the local stack supports HTTP APIs, not REST APIs", location()),
                other => notices.push(format!("The local stack ignores {} ({other}).", location())),
            }
        }
    }
    let declared = source.resources("AWS::Serverless::HttpApi")?;
    let id = api.or(declared.first().map(|resource| resource.id.to_owned())).unwrap_or(IMPLICIT_API.into());
    let properties = declared.iter().find(|resource| resource.id == id).map(|resource| resource.properties);
    let properties = properties.unwrap_or(&Value::Null);
    let globals = &source.root["Globals"]["HttpApi"];
    for declared in [properties, globals] {
        for unsupported in ["Auth", "DefinitionBody", "DefinitionUri", "RouteSettings"] {
            match unsupported {
                "RouteSettings" if !declared[unsupported].is_null() => {
                    notices.push(format!("The local stack ignores {unsupported} of {id}."));
                }
                _ if !declared[unsupported].is_null() => {
                    bail!("{id}: the local stack does not support {unsupported} of an HTTP API");
                }
                _ => {}
            }
        }
    }
    let cors = match &properties["CorsConfiguration"] {
        Value::Null => cors(source, globals),
        _ => cors(source, properties),
    };
    Ok(HttpApi { cors: cors.with_context(|| format!("{id}: CorsConfiguration"))?, id, routes })
}

fn route(source: &Source, function: &str, properties: &Value) -> Result<(String, HttpRoute)> {
    let api = source.text(properties, "ApiId")?.unwrap_or_else(|| IMPLICIT_API.into());
    if let Some(version) = source.text(properties, "PayloadFormatVersion")?
        && version != "2.0"
    {
        bail!("the local stack supports payload format 2.0, not {version}");
    }
    let authorizer = &properties["Auth"]["Authorizer"];
    if !authorizer.is_null() && authorizer != "NONE" {
        bail!("the local stack does not support authorizers on HTTP routes");
    }
    let timeout = source.number(properties, "TimeoutInMillis")?.map(Duration::from_millis);
    let path = source.text(properties, "Path")?;
    let method = source.text(properties, "Method")?;
    let key = match (path, method) {
        (None, None) => None,
        (Some(path), _) if path == "$default" => None,
        (Some(path), _) if !path.starts_with('/') => bail!("its path {path} does not start with a slash"),
        (Some(path), method) => {
            let method = method.unwrap_or_else(|| "ANY".into()).to_ascii_uppercase();
            let any = method == "ANY" || method == "*" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD";
            Some((if any { Verb::Any } else { Verb::Only(method) }, path))
        }
        (None, Some(_)) => bail!("it has a Method but no Path"),
    };
    Ok((api, HttpRoute { key, function: function.to_owned(), timeout }))
}

fn cors(source: &Source, properties: &Value) -> Result<Option<Cors>> {
    let configuration = match source.value(properties, "CorsConfiguration")? {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => json!({ "AllowOrigins": ["*"] }),
        configuration => configuration,
    };
    let list = |name: &str| -> Vec<String> {
        let items = match &configuration[name] {
            Value::Array(items) => items.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Some(Cors {
        origins: list("AllowOrigins"),
        methods: list("AllowMethods"),
        headers: list("AllowHeaders"),
        exposed: list("ExposeHeaders"),
        max_age: source.number(&configuration, "MaxAge")?,
        credentials: source.text(&configuration, "AllowCredentials")?.as_deref() == Some("true"),
    }))
}
