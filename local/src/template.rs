//! `template.yaml` as the local stack understands it: functions, routes, sockets, tables and their limits.

mod environment;
mod function;
mod http;
mod intrinsics;
mod schedule;
mod table;
mod websocket;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

pub use environment::Surroundings;
pub use function::FunctionSpec;
pub use http::{Cors, HttpApi, HttpRoute, Verb};
use intrinsics::Scope;
pub use intrinsics::{ACCOUNT_ID, REGION};
pub use schedule::Schedule;
pub use table::TableSpec;
pub use websocket::{SocketApi, SocketAuthorizer};

/// Everything that the stack reads from the template.
#[derive(Debug, Default)]
pub struct Template {
    /// The functions, by logical id.
    pub functions: BTreeMap<String, FunctionSpec>,
    /// The HTTP API and its routes.
    pub http: HttpApi,
    /// The WebSocket API, if there is one.
    pub socket: Option<SocketApi>,
    /// What is called by the clock.
    pub schedules: Vec<Schedule>,
    /// The tables.
    pub tables: Vec<TableSpec>,
    /// What the template has and the local stack does not do, one sentence each.
    pub notices: Vec<String>,
}

impl Template {
    /// Reads a template file.
    ///
    /// # Errors
    /// If the file cannot be read or [`Template::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the template {} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("the template {} cannot be used", path.display()))
    }

    /// Reads a template's text.
    ///
    /// # Errors
    /// If it is not YAML, refers to something it does not have, or needs something that the local stack does not
    /// support and that would change what a client sees.
    pub fn parse(text: &str) -> Result<Self> {
        let root = yaml::parse(text)?;
        let source = Source { root: &root, scope: Scope::new(&root) };
        let mut notices = Vec::new();
        let functions = function::read(&source)?;
        let http = http::read(&source, &mut notices)?;
        let socket = websocket::read(&source, &functions)?;
        let schedules = schedule::read(&source)?;
        let tables = table::read(&source)?;
        Ok(Self { functions, http, socket, schedules, tables, notices })
    }
}

/// A parsed template and the means to evaluate it.
struct Source<'a> {
    root: &'a Value,
    scope: Scope<'a>,
}

/// One resource: its logical id and its properties, not yet evaluated.
struct Resource<'a> {
    id: &'a str,
    body: &'a Value,
    properties: &'a Value,
}

impl<'a> Source<'a> {
    /// The resources of one type whose condition holds, in the order of their ids.
    fn resources(&self, kind: &str) -> Result<Vec<Resource<'a>>> {
        let mut found = Vec::new();
        for (id, body) in self.root["Resources"].as_object().into_iter().flatten() {
            if body["Type"].as_str() != Some(kind) {
                continue;
            }
            if let Some(condition) = body["Condition"].as_str()
                && !self.scope.condition(condition)?
            {
                continue;
            }
            found.push(Resource { id, body, properties: &body["Properties"] });
        }
        found.sort_by_key(|resource| resource.id);
        Ok(found)
    }

    /// A property as a string, or `None` if it is absent.
    fn text(&self, properties: &Value, name: &str) -> Result<Option<String>> {
        match &properties[name] {
            Value::Null => Ok(None),
            value => self.scope.string(value).map(Some).with_context(|| format!("property {name}")),
        }
    }

    /// A property as a string, which has to be there.
    fn needed(&self, properties: &Value, name: &str) -> Result<String> {
        self.text(properties, name)?.with_context(|| format!("property {name} is missing"))
    }

    /// A property as a whole number, or `None` if it is absent.
    fn number(&self, properties: &Value, name: &str) -> Result<Option<u64>> {
        let text = self.text(properties, name)?;
        text.map(|text| text.parse().with_context(|| format!("property {name} is not a number: {text}")))
            .transpose()
    }

    /// A property with everything inside it evaluated; null if it is absent.
    fn value(&self, properties: &Value, name: &str) -> Result<Value> {
        let value = self.scope.evaluate(&properties[name]).with_context(|| format!("property {name}"))?;
        Ok(value.unwrap_or(Value::Null))
    }
}

#[cfg(test)]
mod tests;
