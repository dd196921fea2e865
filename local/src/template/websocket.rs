//! The WebSocket API: resolves `AWS::ApiGatewayV2` resources from routes to functions.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{FunctionSpec, Source};

/// API Gateway's maximum integration timeout of a WebSocket API.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// A WebSocket API in front of the functions.
#[derive(Debug)]
pub struct SocketApi {
    /// The logical id, which is also the API id.
    pub id: String,
    /// The stage name, which is also the path for clients.
    pub stage: String,
    /// The path of the route key in the JSON of a frame: `["type"]` for `$request.body.type`.
    pub selection: Vec<String>,
    /// The routes by route key, including `$connect`, `$disconnect` and `$default`.
    pub routes: BTreeMap<String, SocketRoute>,
    /// The authorizer of `$connect`.
    pub authorizer: Option<SocketAuthorizer>,
}

/// One route of the WebSocket API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketRoute {
    /// The function's logical id.
    pub function: String,
    /// The integration timeout.
    pub timeout: Duration,
}

/// The authorizer of `$connect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAuthorizer {
    /// The function's logical id.
    pub function: String,
    /// The required request values, for example `route.request.querystring.token`.
    pub identity_sources: Vec<String>,
}

pub(super) fn read(source: &Source, functions: &BTreeMap<String, FunctionSpec>) -> Result<Option<SocketApi>> {
    let mut api = None;
    for resource in source.resources("AWS::ApiGatewayV2::Api")? {
        if source.text(resource.properties, "ProtocolType")?.as_deref() != Some("WEBSOCKET") {
            bail!("{}: the local stack supports HTTP APIs only as SAM events", resource.id);
        }
        if api.replace(resource).is_some() {
            bail!("the local stack supports only one WebSocket API");
        }
    }
    let Some(api) = api else { return Ok(None) };
    let expression =
        source.required(api.properties, "RouteSelectionExpression").with_context(|| api.id.to_owned())?;
    let path = expression.strip_prefix("$request.body.").or(
        // CloudFormation also documents the spelling with braces.
        expression.strip_prefix("${request.body.").and_then(|rest| rest.strip_suffix('}')),
    );
    let path =
        path.with_context(|| format!("{}: the local stack cannot select routes by {expression}", api.id))?;
    let selection = path.split('.').map(str::to_owned).collect();

    let stages = resources_of_api(source, "AWS::ApiGatewayV2::Stage", api.id)?;
    let [stage] = stages.as_slice() else { bail!("{}: it requires exactly one stage", api.id) };
    let stage = source.required(stage.properties, "StageName").with_context(|| stage.id.to_owned())?;

    let mut routes = BTreeMap::new();
    let mut authorizer = None;
    for resource in resources_of_api(source, "AWS::ApiGatewayV2::Route", api.id)? {
        let key = source.required(resource.properties, "RouteKey").with_context(|| resource.id.to_owned())?;
        let route = route(source, functions, resource.properties)
            .with_context(|| format!("route {key} ({})", resource.id))?;
        let authorization = source.text(resource.properties, "AuthorizationType")?.unwrap_or("NONE".into());
        match (key.as_str(), authorization.as_str()) {
            (_, "NONE") => {}
            ("$connect", "CUSTOM") => {
                let id = source.required(resource.properties, "AuthorizerId")?;
                authorizer = Some(read_authorizer(source, functions, &id)?);
            }
            (_, other) => bail!("route {key}: the local stack does not support the authorization {other}"),
        }
        if routes.insert(key.clone(), route).is_some() {
            bail!("the route {key} is declared more than once");
        }
    }
    Ok(Some(SocketApi { id: api.id.to_owned(), stage, selection, routes, authorizer }))
}

fn resources_of_api<'a>(source: &Source<'a>, kind: &str, api: &str) -> Result<Vec<super::Resource<'a>>> {
    let mut resources = Vec::new();
    for resource in source.resources(kind)? {
        if source.required(resource.properties, "ApiId").with_context(|| resource.id.to_owned())? == api {
            resources.push(resource);
        }
    }
    Ok(resources)
}

fn route(
    source: &Source,
    functions: &BTreeMap<String, FunctionSpec>,
    properties: &Value,
) -> Result<SocketRoute> {
    if !properties["RouteResponseSelectionExpression"].is_null() {
        bail!("the local stack does not support route responses");
    }
    let target = source.required(properties, "Target")?;
    let id = target
        .strip_prefix("integrations/")
        .with_context(|| format!("its target is not an integration: {target}"))?;
    let integrations = source.resources("AWS::ApiGatewayV2::Integration")?;
    let integration = integrations.iter().find(|resource| resource.id == id);
    let integration =
        integration.with_context(|| format!("the template has no integration {id}"))?.properties;
    let kind = source.required(integration, "IntegrationType")?;
    if kind != "AWS_PROXY" {
        bail!("the local stack supports AWS_PROXY integrations, not {kind}");
    }
    let function = function_of(functions, &source.required(integration, "IntegrationUri")?)?;
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
    let properties = authorizer.with_context(|| format!("the template has no authorizer {id}"))?.properties;
    let kind = source.required(properties, "AuthorizerType")?;
    if kind != "REQUEST" {
        bail!("authorizer {id}: WebSocket APIs support only REQUEST authorizers, not {kind}");
    }
    let function = function_of(functions, &source.required(properties, "AuthorizerUri")?)?;
    let identity_sources = source.value(properties, "IdentitySource")?;
    let identity_sources = identity_sources.as_array().into_iter().flatten();
    let identity_sources = identity_sources.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(SocketAuthorizer { function, identity_sources })
}

/// The function in `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations`.
fn function_of(functions: &BTreeMap<String, FunctionSpec>, uri: &str) -> Result<String> {
    let arn = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    let arn = arn.with_context(|| format!("{uri} is not the invocation URI of a function"))?;
    let name = arn.split(':').nth(6).unwrap_or_default();
    let spec = functions.values().find(|function| function.name == name || function.id == name);
    Ok(spec.with_context(|| format!("the template has no function {name}"))?.id.clone())
}
