//! The template language's intrinsic functions, evaluated with the parameters' defaults and this stack's names for resources.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// The account that everything of the stack claims to run in.
pub const ACCOUNT_ID: &str = "123456789012";
/// The region that everything of the stack claims to run in.
pub const REGION: &str = "us-east-1";
/// How a parameter without a default comes out, up to its name. That is fine within a reference to a secret, which
/// comes out as the development secret anyway, and an error in whatever a function would see.
pub const UNSET: &str = "<no default for the parameter ";
const STACK_NAME: &str = "local";

/// A whole template, as parsed; evaluates values that lie in it.
pub struct Scope<'a> {
    root: &'a Value,
}

impl<'a> Scope<'a> {
    /// The scope of a parsed template.
    pub fn new(root: &'a Value) -> Self {
        Self { root }
    }

    /// Evaluates a value; `None` is `AWS::NoValue`.
    ///
    /// # Errors
    /// If the value refers to something that the template does not have, or uses a function that is not supported.
    pub fn evaluate(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Array(items) => {
                let mut evaluated = Vec::with_capacity(items.len());
                for item in items {
                    evaluated.extend(self.evaluate(item)?);
                }
                Ok(Some(Value::Array(evaluated)))
            }
            Value::Object(object) => match single(object) {
                Some(("Ref", name)) => self.reference(text(name)?),
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

    /// Evaluates a value that has to be a string, a number or a boolean, and returns it as a string.
    ///
    /// # Errors
    /// As [`Scope::evaluate`], and if the value is something else.
    pub fn string(&self, value: &Value) -> Result<String> {
        let evaluated = self.evaluate(value)?.unwrap_or(Value::Null);
        scalar(&evaluated).with_context(|| format!("expected one value, not {evaluated}"))
    }

    fn evaluated(&self, value: &Value) -> Result<Value> {
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
            let Some(default) = parameter.get("Default") else {
                return Ok(Some(format!("{UNSET}{name}>").into()));
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
        // The physical name where the template gives one, else the logical id.
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
            // Ids and names of other resources mean nothing here; what is built from them must still be whole.
            _ => Ok(format!("{name}.{attribute}").into()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Option<Value>> {
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        let value = match (name, arguments) {
            ("Fn::Sub", []) => self.substitute(text(argument)?, &Map::new())?.into(),
            ("Fn::Sub", [template, Value::Object(variables)]) => {
                self.substitute(text(template)?, variables)?.into()
            }
            ("Fn::GetAtt", [resource, attribute]) => self.attribute(text(resource)?, text(attribute)?)?,
            ("Fn::Join", [separator, items]) => {
                let items = self.evaluated(items)?;
                let items = items.as_array().context("Fn::Join needs a list")?;
                let parts: Option<Vec<_>> = items.iter().map(scalar).collect();
                parts.context("Fn::Join needs a list of strings")?.join(text(separator)?).into()
            }
            ("Fn::Split", [separator, whole]) => {
                self.string(whole)?.split(text(separator)?).map(Value::from).collect()
            }
            ("Fn::Select", [index, items]) => {
                let index: usize = self.string(index)?.parse()?;
                self.evaluated(items)?.get(index).cloned().context("Fn::Select: no such item")?
            }
            ("Fn::FindInMap", [map, top, second]) => {
                let (map, top, second) = (self.string(map)?, self.string(top)?, self.string(second)?);
                let found = self.root["Mappings"][&map][&top].get(&second);
                found.cloned().with_context(|| format!("no mapping {map}.{top}.{second}"))?
            }
            ("Fn::If", [condition, yes, no]) => {
                let chosen = if self.condition(text(condition)?)? { yes } else { no };
                return self.evaluate(chosen);
            }
            ("Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not", _) => {
                self.truth(&Value::Object(Map::from_iter([(name.to_owned(), argument.clone())])))?.into()
            }
            _ => bail!("the local stack does not support {name} with {argument}"),
        };
        Ok(Some(value))
    }

    /// Whether the named condition holds with the parameters' defaults.
    ///
    /// # Errors
    /// If there is no such condition or it cannot be evaluated.
    pub fn condition(&self, name: &str) -> Result<bool> {
        let condition = self.root.get("Conditions").and_then(|all| all.get(name));
        self.truth(condition.with_context(|| format!("the template has no condition {name}"))?)
    }

    fn truth(&self, value: &Value) -> Result<bool> {
        let Some((function, argument)) = value.as_object().and_then(single) else {
            bail!("{value} is not a condition");
        };
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        match (function, arguments) {
            ("Condition", []) => self.condition(text(argument)?),
            ("Fn::Equals", [left, right]) => Ok(self.string(left)? == self.string(right)?),
            ("Fn::Not", [inner]) => Ok(!self.truth(inner)?),
            ("Fn::And", all) => all.iter().try_fold(true, |so_far, one| Ok(self.truth(one)? && so_far)),
            ("Fn::Or", all) => all.iter().try_fold(false, |so_far, one| Ok(self.truth(one)? || so_far)),
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

fn single(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("expected a string, not {value}"))
}

fn scalar(value: &Value) -> Option<String> {
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
        Scope::new(&root).evaluate(&yaml::parse(text).unwrap())
    }

    #[test]
    fn references_sub_join_and_conditions_are_evaluated() {
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
    fn what_is_missing_or_unsupported_is_an_error() {
        for text in ["!Ref Nobody", "!GetAtt Nobody.Arn", "!ImportValue x", "!Sub '${Nobody}'"] {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }
}
