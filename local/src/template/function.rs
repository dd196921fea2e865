//! `AWS::Serverless::Function` resources, merged with `Globals`: binary, timeout, memory and variables.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Source;

/// The defaults of SAM and Lambda.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
const DEFAULT_MEMORY_MB: u64 = 128;

/// A function of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The logical id, for example `FriendsListFunction`.
    pub id: String,
    /// The physical name: `FunctionName`, or the logical id.
    pub name: String,
    /// The Cargo binary, for example `friends-list`.
    pub binary: String,
    /// The timeout of an invocation.
    pub timeout: Duration,
    /// The memory in MB; passed to the function but not enforced.
    pub memory_mb: u64,
    /// The evaluated variables; `Template::resolve` replaces hosts and secrets.
    pub environment: BTreeMap<String, String>,
}

pub(super) fn read(source: &Source) -> Result<BTreeMap<String, FunctionSpec>> {
    let globals = &source.root["Globals"]["Function"];
    let mut functions = BTreeMap::new();
    for resource in source.resources("AWS::Serverless::Function")? {
        let spec = read_function(source, resource.id, resource.body, globals)
            .with_context(|| format!("function {}", resource.id))?;
        functions.insert(spec.id.clone(), spec);
    }
    Ok(functions)
}

fn read_function(source: &Source, id: &str, body: &Value, globals: &Value) -> Result<FunctionSpec> {
    let properties = &body["Properties"];
    let method = body["Metadata"]["BuildMethod"].as_str();
    if method != Some("rust-cargolambda") {
        bail!("its Metadata requires `BuildMethod: rust-cargolambda`, the only supported build method");
    }
    let binary = body["Metadata"]["BuildProperties"]["Binary"].as_str();
    let binary = binary.context("its Metadata requires `BuildProperties: {Binary: …}`")?.to_owned();

    let number = |name: &str, default: u64| -> Result<u64> {
        let own = source.number(properties, name)?;
        Ok(own.or(source.number(globals, name)?).unwrap_or(default))
    };
    let timeout = Duration::from_secs(number("Timeout", DEFAULT_TIMEOUT_SECONDS)?);
    let memory_mb = number("MemorySize", DEFAULT_MEMORY_MB)?;

    let mut environment = BTreeMap::new();
    for declared in [globals, properties] {
        let variables = &declared["Environment"]["Variables"];
        for (name, value) in variables.as_object().into_iter().flatten() {
            let Some(value) = source.scope.evaluate(value).with_context(|| format!("variable {name}"))?
            else {
                environment.remove(name);
                continue;
            };
            environment.insert(
                name.clone(),
                source.scope.string(&value).with_context(|| format!("variable {name}"))?,
            );
        }
    }
    let name = source.text(properties, "FunctionName")?.unwrap_or_else(|| id.to_owned());
    Ok(FunctionSpec { id: id.to_owned(), name, binary, timeout, memory_mb, environment })
}
