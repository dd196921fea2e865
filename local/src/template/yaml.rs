//! Converts template YAML to JSON, with the short form of each intrinsic function replaced by its long form.

use anyhow::{Result, bail};
use serde_json::{Map, Number, Value};
use serde_yaml_ng::Value as Yaml;

/// Parses the text of a template.
///
/// # Errors
/// If the text is not YAML, or has a mapping key that is not a string.
pub fn parse(text: &str) -> Result<Value> {
    convert(serde_yaml_ng::from_str(text)?)
}

fn convert(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => match (number.as_i64(), number.as_f64().and_then(Number::from_f64)) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => Value::Number(float),
            (None, None) => bail!("the number {number} is out of range"),
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(convert).collect::<Result<_>>()?),
        Yaml::Mapping(mapping) => {
            let mut object = Map::new();
            for (key, value) in mapping {
                let key = match key {
                    Yaml::String(key) => key,
                    Yaml::Number(key) => key.to_string(),
                    Yaml::Bool(key) => key.to_string(),
                    other => bail!("a key of a mapping is not a string: {other:?}"),
                };
                object.insert(key, convert(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            long_form(tag.trim_start_matches('!'), convert(tagged.value)?)
        }
    })
}

/// `!Ref x` becomes `{"Ref": x}`, `!Condition x` `{"Condition": x}`, any other `!Name x` `{"Fn::Name": x}`.
fn long_form(name: &str, argument: Value) -> Value {
    let key = match name {
        "Ref" | "Condition" => name.to_owned(),
        _ => format!("Fn::{name}"),
    };
    let argument = match (name, argument) {
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').unwrap_or((path.as_str(), ""));
            Value::from(vec![resource, attribute])
        }
        (_, argument) => argument,
    };
    Value::Object(Map::from_iter([(key, argument)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_tags_become_long_forms() {
        let parsed =
            parse("a: !Ref Table\nb: !GetAtt F.Arn\nc: !Sub 'x-${Table}'\nd: !Join ['', [a, !Ref B]]")
                .unwrap();
        assert_eq!(
            parsed,
            json!({
                "a": {"Ref": "Table"},
                "b": {"Fn::GetAtt": ["F", "Arn"]},
                "c": {"Fn::Sub": "x-${Table}"},
                "d": {"Fn::Join": ["", ["a", {"Ref": "B"}]]},
            })
        );
    }
}
