//! The WebSocket API: raw `AWS::ApiGatewayV2` resources, followed from routes to functions.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{FunctionSpec, Source};

/// API Gateway's limit for an integration of a WebSocket route.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// A WebSocket API in front of the functions.
#[derive(Debug)]
pub struct SocketApi {
    /// The logical id, which stands for the API id.
    pub id: String,
    /// The name of its stage, which is also the path that clients connect to.
    pub stage: String,
    /// Where in a frame's JSON the route key lies, from the outside in: `["type"]` for `$request.body.type`.
    pub selection: Vec<String>,
    /// The routes by key: `$connect`, `$disconnect`, `$default` and the frames' own.
    pub routes: BTreeMap<String, SocketRoute>,
    /// Who is asked before `$connect`.
    pub authorizer: Option<SocketAuthorizer>,
}

/// One route of the WebSocket API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketRoute {
    /// The function's logical id.
    pub function: String,
    /// How long the gateway waits for it.
    pub timeout: Duration,
}

/// The authorizer of `$connect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAuthorizer {
    /// The function's logical id.
    pub function: String,
    /// Request values that must be there for it to be asked, for example `route.request.querystring.token`.
    pub identity_sources: Vec<String>,
}

pub(super) fn read(source: &Source, functions: &BTreeMap<String, FunctionSpec>) -> Result<Option<SocketApi>> {
    let mut api = None;
    for resource in source.resources("AWS::ApiGatewayV2::Api")? {
        if source.text(resource.properties, "ProtocolType")?.as_deref() != Some("WEBSOCKET") {
            bail!("{}: the local stack reads HTTP APIs from SAM events, not from raw resources", resource.id);
        }
        if api.replace(resource).is_some() {
            bail!("the local stack serves one WebSocket API, and the template has two");
        }
    }
    let Some(api) = api else { return Ok(None) };
    let expression =
        source.needed(api.properties, "RouteSelectionExpression").with_context(|| api.id.to_owned())?;
    let path = expression.strip_prefix("$request.body.").or(
        // The bracketed spelling that CloudFormation documents as well.
        expression.strip_prefix("${request.body.").and_then(|rest| rest.strip_suffix('}')),
    );
    let path =
        path.with_context(|| format!("{}: the local stack cannot select routes by {expression}", api.id))?;
    let selection = path.split('.').map(str::to_owned).collect();

    let stages = of_api(source, "AWS::ApiGatewayV2::Stage", api.id)?;
    let [stage] = stages.as_slice() else { bail!("{}: it needs exactly one stage", api.id) };
    let stage = source.needed(stage.properties, "StageName").with_context(|| stage.id.to_owned())?;

    let mut routes = BTreeMap::new();
    let mut authorizer = None;
    for resource in of_api(source, "AWS::ApiGatewayV2::Route", api.id)? {
        let key = source.needed(resource.properties, "RouteKey").with_context(|| resource.id.to_owned())?;
        let route = route(source, functions, resource.properties)
            .with_context(|| format!("route {key} ({})", resource.id))?;
        let authorization = source.text(resource.properties, "AuthorizationType")?.unwrap_or("NONE".into());
        match (key.as_str(), authorization.as_str()) {
            (_, "NONE") => {}
            ("$connect", "CUSTOM") => {
                let id = source.needed(resource.properties, "AuthorizerId")?;
                authorizer = Some(read_authorizer(source, functions, &id)?);
            }
            (_, other) => bail!("route {key}: the local stack does not support authorization {other} there"),
        }
        if routes.insert(key.clone(), route).is_some() {
            bail!("the route {key} is declared twice");
        }
    }
    Ok(Some(SocketApi { id: api.id.to_owned(), stage, selection, routes, authorizer }))
}

fn of_api<'a>(source: &Source<'a>, kind: &str, api: &str) -> Result<Vec<super::Resource<'a>>> {
    let mut owned = Vec::new();
    for resource in source.resources(kind)? {
        if source.needed(resource.properties, "ApiId").with_context(|| resource.id.to_owned())? == api {
            owned.push(resource);
        }
    }
    Ok(owned)
}

fn route(
    source: &Source,
    functions: &BTreeMap<String, FunctionSpec>,
    properties: &Value,
) -> Result<SocketRoute> {
    if !properties["RouteResponseSelectionExpression"].is_null() {
        bail!("the local stack posts answers to the connection, and does not return them");
    }
    let target = source.needed(properties, "Target")?;
    let id = target.strip_prefix("integrations/").with_context(|| format!("its target is {target}"))?;
    let integrations = source.resources("AWS::ApiGatewayV2::Integration")?;
    let integration = integrations.iter().find(|resource| resource.id == id);
    let integration = integration.with_context(|| format!("there is no integration {id}"))?.properties;
    let kind = source.needed(integration, "IntegrationType")?;
    if kind != "AWS_PROXY" {
        bail!("the local stack supports AWS_PROXY integrations, not {kind}");
    }
    let function = function_of(functions, &source.needed(integration, "IntegrationUri")?)?;
    let timeout = source.number(integration, "TimeoutInMillis")?.map(Duration::from_millis);
    Ok(SocketRoute { function, timeout: timeout.unwrap_or(INTEGRATION_TIMEOUT).min(INTEGRATION_TIMEOUT) })
}

fn read_authorizer(
    source: &Source,
    functions: &BTreeMap<String, FunctionSpec>,
    id: &str,
) -> Result<SocketAuthorizer> {
    let authorizers = source.resources("AWS::ApiGatewayV2::Authorizer")?;
    let authorizer = authorizers.iter().find(|resource| resource.id == id);
    let properties = authorizer.with_context(|| format!("there is no authorizer {id}"))?.properties;
    let kind = source.needed(properties, "AuthorizerType")?;
    if kind != "REQUEST" {
        bail!("authorizer {id}: a WebSocket API takes REQUEST authorizers, not {kind}");
    }
    let function = function_of(functions, &source.needed(properties, "AuthorizerUri")?)?;
    let identity_sources = source.value(properties, "IdentitySource")?;
    let identity_sources = identity_sources.as_array().into_iter().flatten();
    let identity_sources = identity_sources.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(SocketAuthorizer { function, identity_sources })
}

/// The function of `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations`.
fn function_of(functions: &BTreeMap<String, FunctionSpec>, uri: &str) -> Result<String> {
    let arn = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    let arn = arn.with_context(|| format!("{uri} is not the invocation of a function"))?;
    let name = arn.split(':').nth(6).unwrap_or_default();
    let spec = functions.values().find(|function| function.name == name || function.id == name);
    Ok(spec.with_context(|| format!("the template has no function {name}"))?.id.clone())
}
