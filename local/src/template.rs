//! Reads `template.yaml`: functions, HTTP routes, the WebSocket API, schedules and tables.

mod environment;
mod function;
mod http;
mod intrinsics;
mod parameters;
mod schedule;
mod schema;
mod table;
mod websocket;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

pub use environment::RuntimeValues;
pub use function::FunctionSpec;
pub use http::{Cors, HttpApi, HttpRoute, Verb};
use intrinsics::Scope;
pub use intrinsics::{ACCOUNT_ID, REGION};
pub use schedule::Schedule;
pub use schema::suggestion;
pub use table::TableSpec;
pub use websocket::{SocketApi, SocketAuthorizer};

/// The parts of the template that the stack runs.
#[derive(Debug, Default)]
pub struct Template {
    /// The functions, by logical id.
    pub functions: BTreeMap<String, FunctionSpec>,
    /// The HTTP API and its routes.
    pub http: HttpApi,
    /// The WebSocket API, if there is one.
    pub socket: Option<SocketApi>,
    /// The schedules of functions.
    pub schedules: Vec<Schedule>,
    /// The tables.
    pub tables: Vec<TableSpec>,
    /// The parts of the template that the stack ignores, one sentence each.
    pub notices: Vec<String>,
}

impl Template {
    /// Reads a template file, with these values of parameters instead of their defaults.
    ///
    /// # Errors
    /// If the file cannot be read or [`Template::parse`] fails.
    pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the template {}", path.display()))?;
        Self::parse(&text, parameters).with_context(|| format!("cannot use the template {}", path.display()))
    }

    /// Parses the text of a template.
    ///
    /// # Errors
    /// If the text is not YAML, contains an unknown name or reference, a parameter has an invalid value, or the
    /// template uses an unsupported feature that would change the behaviour for clients.
    pub fn parse(text: &str, parameters: &BTreeMap<String, String>) -> Result<Self> {
        let root = yaml::parse(text)?;
        schema::check(&root)?;
        parameters::check(&root, parameters)?;
        let source = Source { root: &root, scope: Scope::new(&root, parameters) };
        parameters::check_rules(&root, &source.scope)?;
        let mut notices = Vec::new();
        let functions = function::read(&source)?;
        let http = http::read(&source, &mut notices)?;
        let socket = websocket::read(&source, &functions)?;
        let schedules = schedule::read(&source)?;
        let tables = table::read(&source)?;
        Ok(Self { functions, http, socket, schedules, tables, notices })
    }
}

/// A parsed template and its evaluation scope.
struct Source<'a> {
    root: &'a Value,
    scope: Scope<'a>,
}

/// A resource: its logical id and its unevaluated content.
struct Resource<'a> {
    id: &'a str,
    body: &'a Value,
    properties: &'a Value,
}

impl<'a> Source<'a> {
    /// The resources of a type whose condition is true, sorted by logical id.
    fn resources(&self, kind: &str) -> Result<Vec<Resource<'a>>> {
        let mut resources = Vec::new();
        for (id, body) in self.root["Resources"].as_object().into_iter().flatten() {
            if body["Type"].as_str() != Some(kind) {
                continue;
            }
            if let Some(condition) = body["Condition"].as_str()
                && !self.scope.condition(condition)?
            {
                continue;
            }
            resources.push(Resource { id, body, properties: &body["Properties"] });
        }
        resources.sort_by_key(|resource| resource.id);
        Ok(resources)
    }

    /// A property as a string, or `None` if it is absent.
    fn text(&self, properties: &Value, name: &str) -> Result<Option<String>> {
        match &properties[name] {
            Value::Null => Ok(None),
            value => self.scope.string(value).map(Some).with_context(|| format!("property {name}")),
        }
    }

    /// A required property as a string.
    fn required(&self, properties: &Value, name: &str) -> Result<String> {
        self.text(properties, name)?.with_context(|| format!("property {name} is missing"))
    }

    /// A property as an integer, or `None` if it is absent.
    fn number(&self, properties: &Value, name: &str) -> Result<Option<u64>> {
        let text = self.text(properties, name)?;
        text.map(|text| text.parse().with_context(|| format!("property {name} is not a number: {text}")))
            .transpose()
    }

    /// A property, evaluated recursively; null if it is absent.
    fn value(&self, properties: &Value, name: &str) -> Result<Value> {
        let value = self.scope.evaluate(&properties[name]).with_context(|| format!("property {name}"))?;
        Ok(value.unwrap_or(Value::Null))
    }
}

#[cfg(test)]
mod tests;
