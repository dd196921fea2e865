//! Evaluates intrinsic functions, with the defaults of parameters and local names of resources.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// The emulated AWS account id.
pub const ACCOUNT_ID: &str = "123456789012";
/// The emulated AWS region.
pub const REGION: &str = "us-east-1";
/// The prefix of the value of a parameter without default, up to its name. It is valid inside a secret
/// reference, which the development secret replaces, and an error in any other variable.
pub const NO_DEFAULT: &str = "<no default for the parameter ";
const STACK_NAME: &str = "local";

/// Evaluates the values of a parsed template.
pub struct Scope<'a> {
    root: &'a Value,
    /// The values of parameters that replace their defaults.
    parameters: &'a BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    /// Creates the scope of a parsed template.
    pub fn new(root: &'a Value, parameters: &'a BTreeMap<String, String>) -> Self {
        Self { root, parameters }
    }

    /// Evaluates a value; `AWS::NoValue` becomes `None`.
    ///
    /// # Errors
    /// If the value contains an unknown reference or an unsupported function.
    pub fn evaluate(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Array(items) => {
                let mut evaluated = Vec::with_capacity(items.len());
                for item in items {
                    evaluated.extend(self.evaluate(item)?);
                }
                Ok(Some(Value::Array(evaluated)))
            }
            Value::Object(object) => match single_entry(object) {
                Some(("Ref", name)) => self.reference(expect_string(name)?),
                Some((name, argument)) if name.starts_with("Fn::") => {
                    self.function(name, argument).with_context(|| format!("cannot evaluate {name}"))
                }
                _ => {
                    let mut evaluated = Map::new();
                    for (key, item) in object {
                        if let Some(item) = self.evaluate(item)? {
                            evaluated.insert(key.clone(), item);
                        }
                    }
                    Ok(Some(Value::Object(evaluated)))
                }
            },
            plain => Ok(Some(plain.clone())),
        }
    }

    /// Evaluates a string, a number or a boolean, and returns it as a string.
    ///
    /// # Errors
    /// As [`Scope::evaluate`], and if the value is a list, an object or null.
    pub fn string(&self, value: &Value) -> Result<String> {
        let evaluated = self.evaluate(value)?.unwrap_or(Value::Null);
        scalar(&evaluated)
            .with_context(|| format!("expected a string, a number or a boolean, not {evaluated}"))
    }

    fn evaluate_or_null(&self, value: &Value) -> Result<Value> {
        Ok(self.evaluate(value)?.unwrap_or(Value::Null))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(pseudo) = pseudo_parameter(name) {
            return Ok(Some(pseudo.into()));
        }
        if let Some(parameter) = self.root.get("Parameters").and_then(|all| all.get(name)) {
            let given = self.parameters.get(name).map(|value| Value::from(value.as_str()));
            let Some(default) = given.as_ref().or_else(|| parameter.get("Default")) else {
                return Ok(Some(format!("{NO_DEFAULT}{name}>").into()));
            };
            let is_list =
                parameter.get("Type").and_then(Value::as_str).is_some_and(|kind| kind.contains("List"));
            return Ok(Some(match (is_list, scalar(default)) {
                (true, Some(list)) => list.split(',').map(|item| Value::from(item.trim())).collect(),
                (false, Some(value)) => value.into(),
                (_, None) => default.clone(),
            }));
        }
        let Some(resource) = self.root.get("Resources").and_then(|all| all.get(name)) else {
            bail!("the template has no parameter and no resource named {name}");
        };
        // The physical name if the template declares one, otherwise the logical id.
        let property = match resource.get("Type").and_then(Value::as_str).unwrap_or_default() {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::ApiGatewayV2::Stage" => "StageName",
            "AWS::S3::Bucket" => "BucketName",
            _ => return Ok(Some(name.into())),
        };
        match resource.get("Properties").and_then(|properties| properties.get(property)) {
            Some(physical) => Ok(Some(self.string(physical)?.into())),
            None => Ok(Some(name.into())),
        }
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value> {
        let kind = self.root["Resources"][resource]["Type"].as_str();
        let Some(kind) = kind else { bail!("the template has no resource named {resource}") };
        let name = self.string(&serde_json::json!({ "Ref": resource }))?;
        let arn = |rest: String| Ok(Value::from(format!("arn:aws:{rest}")));
        match (kind, attribute) {
            ("AWS::Serverless::Function", "Arn") => {
                arn(format!("lambda:{REGION}:{ACCOUNT_ID}:function:{name}"))
            }
            ("AWS::DynamoDB::Table", "Arn") => arn(format!("dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}")),
            ("AWS::S3::Bucket", "Arn") => arn(format!("s3:::{name}")),
            ("AWS::SQS::Queue", "Arn") => arn(format!("sqs:{REGION}:{ACCOUNT_ID}:{name}")),
            ("AWS::SNS::Topic", "Arn" | "TopicArn") => arn(format!("sns:{REGION}:{ACCOUNT_ID}:{name}")),
            ("AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi", "ApiId") => Ok(name.into()),
            ("AWS::ApiGatewayV2::Api" | "AWS::Serverless::HttpApi", "ApiEndpoint") => {
                Ok(format!("https://{name}.execute-api.{REGION}.amazonaws.com").into())
            }
            // The local stack does not use other attributes, but values that contain them must be complete.
            _ => Ok(format!("{name}.{attribute}").into()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Option<Value>> {
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        let value = match (name, arguments) {
            ("Fn::Sub", []) => self.substitute(expect_string(argument)?, &Map::new())?.into(),
            ("Fn::Sub", [template, Value::Object(variables)]) => {
                self.substitute(expect_string(template)?, variables)?.into()
            }
            ("Fn::GetAtt", [resource, attribute]) => {
                self.attribute(expect_string(resource)?, expect_string(attribute)?)?
            }
            ("Fn::Join", [separator, items]) => {
                let items = self.evaluate_or_null(items)?;
                let items = items.as_array().context("Fn::Join requires a list")?;
                let parts: Option<Vec<_>> = items.iter().map(scalar).collect();
                parts.context("Fn::Join requires a list of strings")?.join(expect_string(separator)?).into()
            }
            ("Fn::Split", [separator, whole]) => {
                self.string(whole)?.split(expect_string(separator)?).map(Value::from).collect()
            }
            ("Fn::Select", [index, items]) => {
                let index: usize = self.string(index)?.parse()?;
                self.evaluate_or_null(items)?
                    .get(index)
                    .cloned()
                    .context("Fn::Select: the index is out of range")?
            }
            ("Fn::FindInMap", [map, top, second]) => {
                let (map, top, second) = (self.string(map)?, self.string(top)?, self.string(second)?);
                let found = self.root["Mappings"][&map][&top].get(&second);
                found.cloned().with_context(|| format!("the template has no mapping {map}.{top}.{second}"))?
            }
            ("Fn::If", [condition, yes, no]) => {
                let chosen = if self.condition(expect_string(condition)?)? { yes } else { no };
                return self.evaluate(chosen);
            }
            ("Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not", _) => self
                .evaluate_condition(&Value::Object(Map::from_iter([(name.to_owned(), argument.clone())])))?
                .into(),
            _ => bail!("the local stack does not support {name} with {argument}"),
        };
        Ok(Some(value))
    }

    /// Evaluates a named condition with the defaults of the parameters.
    ///
    /// # Errors
    /// If the condition does not exist or cannot be evaluated.
    pub fn condition(&self, name: &str) -> Result<bool> {
        let condition = self.root.get("Conditions").and_then(|all| all.get(name));
        self.evaluate_condition(condition.with_context(|| format!("the template has no condition {name}"))?)
    }

    /// Evaluates a condition function.
    ///
    /// # Errors
    /// As [`Scope::evaluate`], and if the value is no condition.
    pub fn evaluate_condition(&self, value: &Value) -> Result<bool> {
        let Some((function, argument)) = value.as_object().and_then(single_entry) else {
            bail!("{value} is not a condition");
        };
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        match (function, arguments) {
            ("Condition", []) => self.condition(expect_string(argument)?),
            ("Fn::Equals", [left, right]) => Ok(self.string(left)? == self.string(right)?),
            ("Fn::Not", [inner]) => Ok(!self.evaluate_condition(inner)?),
            ("Fn::And", all) => {
                all.iter().try_fold(true, |result, one| Ok(self.evaluate_condition(one)? && result))
            }
            ("Fn::Or", all) => {
                all.iter().try_fold(false, |result, one| Ok(self.evaluate_condition(one)? || result))
            }
            _ => bail!("the local stack does not support the condition {value}"),
        }
    }

    fn substitute(&self, template: &str, variables: &Map<String, Value>) -> Result<String> {
        let mut out = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = after.find('}').with_context(|| format!("`${{` without `}}` in {template}"))?;
            let name = after[..end].trim();
            if let Some(literal) = name.strip_prefix('!') {
                out.extend(["${", literal, "}"]);
            } else if let Some(variable) = variables.get(name) {
                out.push_str(&self.string(variable)?);
            } else if let Some((resource, attribute)) = name.split_once('.') {
                out.push_str(&scalar(&self.attribute(resource, attribute)?).unwrap_or_default());
            } else {
                out.push_str(&self.string(&serde_json::json!({ "Ref": name }))?);
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn pseudo_parameter(name: &str) -> Option<String> {
    Some(match name {
        "AWS::Region" => REGION.to_owned(),
        "AWS::AccountId" => ACCOUNT_ID.to_owned(),
        "AWS::Partition" => "aws".to_owned(),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        "AWS::StackName" => STACK_NAME.to_owned(),
        "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{STACK_NAME}/1"),
        _ => return None,
    })
}

fn single_entry(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

fn expect_string(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("expected a string, not {value}"))
}

/// A string, a number or a boolean as a string.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::yaml;

    const TEMPLATE: &str = r#"
Parameters:
  Stage: {Type: String, Default: live}
  Origins: {Type: CommaDelimitedList, Default: "https://a.example, https://b.example"}
  Needed: {Type: String}
Conditions:
  IsLive: !Equals [!Ref Stage, live]
  IsNotLive: !Not [!Condition IsLive]
Resources:
  Table: {Type: "AWS::DynamoDB::Table", Properties: {TableName: !Sub "chat-${Stage}"}}
  Fn: {Type: "AWS::Serverless::Function"}
"#;

    fn evaluate(text: &str) -> Result<Option<Value>> {
        let root = yaml::parse(TEMPLATE).unwrap();
        Scope::new(&root, &BTreeMap::new()).evaluate(&yaml::parse(text).unwrap())
    }

    #[test]
    fn references_functions_and_conditions_are_evaluated() {
        for (text, expected) in [
            ("!Ref Stage", "live"),
            ("!Ref Table", "chat-live"),
            ("!Ref Fn", "Fn"),
            ("!GetAtt Fn.Arn", "arn:aws:lambda:us-east-1:123456789012:function:Fn"),
            (
                "!Sub '${AWS::Region}/${Fn.Arn}/${!Raw}'",
                "us-east-1/arn:aws:lambda:us-east-1:123456789012:function:Fn/${Raw}",
            ),
            ("!Sub ['${a}-${Stage}', {a: !Ref Fn}]", "Fn-live"),
            ("!Join ['/', [integrations, !Ref Fn]]", "integrations/Fn"),
            ("!Join [',', !Ref Origins]", "https://a.example,https://b.example"),
            ("!If [IsLive, yes it is, no]", "yes it is"),
            ("!Ref Needed", "<no default for the parameter Needed>"),
            ("!Select [1, !Split ['-', a-b]]", "b"),
        ] {
            assert_eq!(evaluate(text).unwrap(), Some(expected.into()), "{text}");
        }
        assert_eq!(
            evaluate("a: !If [IsNotLive, 1, !Ref 'AWS::NoValue']").unwrap(),
            Some(serde_json::json!({}))
        );
    }

    #[test]
    fn unknown_references_and_unsupported_functions_are_errors() {
        for text in ["!Ref Unknown", "!GetAtt Unknown.Arn", "!ImportValue x", "!Sub '${Unknown}'"] {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }
}
