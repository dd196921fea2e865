//! Consistent names in the manifest, source files, functions and routes, and required parts of the template.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_yaml_ng::Value;
use shared::config::RateLimits;

/// The template, with its CloudFormation tags unresolved.
pub fn template() -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(local::project_root().join("template.yaml")).unwrap())
        .unwrap()
}

/// The template's functions, by logical id.
fn functions() -> BTreeMap<String, Value> {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|(id, function)| (id.as_str().unwrap().to_owned(), function.clone())).collect()
}

/// The name and source path of every binary in the manifest.
pub fn binaries() -> BTreeMap<String, String> {
    let manifest = fs::read_to_string(local::project_root().join("functions/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let text = |binary: &toml::Value, field: &str| binary[field].as_str().unwrap().to_owned();
    let binaries = manifest["bin"].as_array().unwrap().iter();
    binaries
        .map(|binary| {
            assert_eq!(binary["test"].as_bool(), Some(false), "{binary}");
            (text(binary, "name"), text(binary, "path"))
        })
        .collect()
}

/// The logical id of a binary's function: `FriendsSendRequestFunction` for `friends-send-request`.
pub fn function_id(binary: &str) -> String {
    let capitalized = |word: &str| word[..1].to_uppercase() + &word[1..];
    binary.split('-').map(capitalized).collect::<String>() + "Function"
}

/// The route (`GET /api/v1/users/me`), WebSocket route key or schedule of each function, by logical id.
pub fn routes() -> BTreeMap<String, String> {
    let mut routes = BTreeMap::new();
    for (id, function) in functions() {
        if let Some(events) = function["Properties"]["Events"].as_mapping() {
            for event in events.values() {
                let property = |name: &str| event["Properties"][name].as_str();
                let route = match (property("Method"), property("Path"), property("Schedule")) {
                    (Some(method), Some(path), _) => format!("{} {path}", method.to_uppercase()),
                    (_, _, Some(schedule)) => schedule.to_owned(),
                    _ => "$default".to_owned(),
                };
                routes.insert(id.clone(), route);
            }
        }
    }
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let of_type = |kind: &'static str| resources.values().filter(move |resource| resource["Type"] == kind);
    for route in of_type("AWS::ApiGatewayV2::Route") {
        let target = text(&route["Properties"]["Target"]);
        let integration = resources.iter().find(|(id, resource)| {
            resource["Type"] == "AWS::ApiGatewayV2::Integration" && target.contains(id.as_str().unwrap())
        });
        let uri = text(&integration.unwrap().1["Properties"]["IntegrationUri"]);
        let function = functions().into_keys().find(|id| uri.contains(&format!("{{{id}.Arn}}"))).unwrap();
        routes.insert(function, route["Properties"]["RouteKey"].as_str().unwrap().to_owned());
    }
    routes
}

/// The text of a value, with or without a tag.
pub fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

#[test]
fn every_binary_matches_its_source_file_and_its_function() {
    let mut functions = functions();
    for (name, path) in binaries() {
        let (domain, verb) = name.split_once('-').unwrap();
        assert_eq!(path, format!("src/{domain}/{}.rs", verb.replace('-', "_")));
        let id = function_id(&name);
        let function = functions.remove(&id).unwrap_or_else(|| panic!("{id} is not in the template"));
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"], name.as_str());
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda");
    }
    assert!(functions.is_empty(), "functions without a binary: {:?}", functions.keys());
}

#[test]
fn every_function_file_is_in_the_manifest_and_starts_with_its_route() {
    let paths: BTreeMap<String, String> = binaries().into_iter().map(|(name, path)| (path, name)).collect();
    let routes = routes();
    let source = local::project_root().join("functions");
    let mut files = BTreeSet::new();
    for domain in fs::read_dir(source.join("src")).unwrap() {
        for file in fs::read_dir(domain.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let path = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            let name = paths.get(&path).unwrap_or_else(|| panic!("{path} is not in the manifest"));
            let first = first_line(&file);
            match routes.get(&function_id(name)) {
                Some(route) => {
                    assert!(first.contains(&format!("`{route}")), "{path} starts with {route}: {first}");
                }
                None => assert_eq!(name, "socket-authorize", "{path} has no route"),
            }
            files.insert(path);
        }
    }
    assert_eq!(files.len(), paths.len());
}

fn first_line(file: &Path) -> String {
    fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn every_connect_request_passes_the_authorizer() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let connect = resources.values().find(|resource| {
        resource["Type"] == "AWS::ApiGatewayV2::Route" && resource["Properties"]["RouteKey"] == "$connect"
    });
    let connect = &connect.expect("a $connect route")["Properties"];
    assert_eq!(connect["AuthorizationType"], "CUSTOM");
    let authorizer = &template["Resources"][text(&connect["AuthorizerId"]).as_str()];
    assert_eq!(authorizer["Type"], "AWS::ApiGatewayV2::Authorizer");
    let authorizer = &authorizer["Properties"];
    assert_eq!(authorizer["AuthorizerType"], "REQUEST");
    assert!(text(&authorizer["AuthorizerUri"]).contains("{SocketAuthorizeFunction.Arn}"));
    assert!(authorizer.get("IdentitySource").is_none(), "the gateway requires every listed identity source");
}

#[test]
fn the_template_sets_exactly_the_variables_that_the_code_reads() {
    let template = template();
    let variables = |owner: &Value| -> Vec<String> {
        let variables = owner["Environment"]["Variables"].as_mapping().cloned().unwrap_or_default();
        variables.keys().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let mut set: BTreeSet<String> = variables(&template["Globals"]["Function"]).into_iter().collect();
    for function in functions().values() {
        set.extend(variables(&function["Properties"]));
    }
    // The logging of the Lambda runtime reads it.
    set.remove("RUST_LOG");
    assert_eq!(set, shared::config::VARIABLES.map(str::to_owned).into());
}

#[test]
fn the_default_rate_limits_of_the_template_and_the_code_are_equal() {
    let limits = &template()["Parameters"]["RateLimits"]["Default"];
    let limits: RateLimits = limits.as_str().unwrap().parse().unwrap();
    assert_eq!(limits, RateLimits::default());
}

#[test]
fn every_endpoint_that_only_reads_charges_the_read_budget() {
    // It also completes what earlier calls left incomplete, and reads one item otherwise.
    const EXEMPT: &str = "users-get-me";
    let (routes, source) = (routes(), local::project_root().join("functions"));
    for (name, path) in binaries() {
        let reads = |route: &String| route.starts_with("GET ") || route == "POST /api/v1/chat/sync";
        if name != EXEMPT && routes.get(&function_id(&name)).is_some_and(reads) {
            let code = fs::read_to_string(source.join(&path)).unwrap();
            assert!(code.contains(": Reader"), "{path} does not take a Reader");
        }
    }
}

#[test]
fn both_send_functions_have_the_media_origins() {
    for id in ["ChatSendMessageFunction", "SocketSendMessageFunction"] {
        let variables = &functions()[id]["Properties"]["Environment"]["Variables"];
        assert!(variables.get("MEDIA_ORIGINS").is_some(), "{id}");
    }
}

#[test]
fn only_functions_that_check_tokens_have_the_secret() {
    let has =
        |function: &Value, name: &str| !function["Properties"]["Environment"]["Variables"][name].is_null();
    for (id, function) in functions() {
        let has_callers = !id.starts_with("Socket") && !id.starts_with("Maintenance");
        let checks_tokens = has_callers || id == "SocketAuthorizeFunction";
        for name in ["JWT_SECRET", "JWT_NEXT_SECRET"] {
            assert_eq!(has(&function, name), checks_tokens, "{id}");
        }
    }
}

/// API Gateway rejects concurrent changes of one API, and CloudFormation creates what does not depend on each other
/// concurrently.
#[test]
fn the_authorizer_integrations_and_routes_of_the_socket_are_created_one_after_another() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let kinds = ["Authorizer", "Integration", "Route"].map(|kind| format!("AWS::ApiGatewayV2::{kind}"));
    let parts: BTreeMap<String, String> = resources
        .iter()
        .filter(|(_, part)| kinds.iter().any(|kind| part["Type"] == kind.as_str()))
        .map(|(id, part)| {
            let target = &part["Properties"]["Target"];
            let reference = if target.is_null() { String::new() } else { text(target) };
            let explicit = part["DependsOn"].as_str().unwrap_or_default();
            let implicit = reference.trim_start_matches("integrations/${").trim_end_matches('}');
            let dependency = if explicit.is_empty() { implicit } else { explicit };
            (id.as_str().unwrap().to_owned(), dependency.to_owned())
        })
        .collect();
    let mut created = vec![parts.iter().find(|(_, dependency)| dependency.is_empty()).unwrap().0];
    while let Some((next, _)) = parts.iter().find(|(_, dependency)| *dependency == created[created.len() - 1])
    {
        created.push(next);
    }
    assert_eq!(created.len(), parts.len(), "one chain: {created:?}");
}

#[test]
fn the_alarm_covers_every_websocket_function_but_the_authorizer() {
    let template = template();
    let metrics = &template["Resources"]["SocketFunctionErrorsAlarm"]["Properties"]["Metrics"];
    let metrics = metrics.as_sequence().unwrap().iter().filter(|metric| !metric["MetricStat"].is_null());
    let function = |metric: &Value| text(&metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"]);
    let mut watched: Vec<String> = metrics.map(function).collect();
    watched.sort_unstable();
    let sockets =
        functions().into_keys().filter(|id| id.starts_with("Socket") && id != "SocketAuthorizeFunction");
    assert_eq!(watched, sockets.collect::<Vec<_>>());
}
