//! What an authorizer answered: whether its policy allows the call, and the context it hands on.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use serde_json::{Map, Value};

/// An authorizer's decision.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Allowed, with `principalId` and the context, all as strings.
    Allow(Map<String, Value>),
    /// Not allowed.
    Deny,
    /// The answer is none that API Gateway takes.
    Invalid,
}

/// Reads an authorizer's answer about one method.
pub fn decide(answer: &Value, method_arn: &str) -> Decision {
    let Some(principal) = answer["principalId"].as_str() else {
        return Decision::Invalid;
    };
    let statements = match &answer["policyDocument"]["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Object(one) => vec![one.clone().into()],
        _ => return Decision::Invalid,
    };
    let mut context = Map::new();
    for (key, value) in answer["context"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => continue,
            // A list or an object in the context is a configuration error on AWS, too.
            _ => return Decision::Invalid,
        };
        context.insert(key.clone(), text.into());
    }
    context.insert("principalId".into(), principal.into());

    let mut allowed = false;
    for statement in &statements {
        let invokes = any(&statement["Action"], |action| matches(action, "execute-api:Invoke"));
        if !invokes || !any(&statement["Resource"], |resource| matches(resource, method_arn)) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => allowed = true,
            Some("Deny") => return Decision::Deny,
            _ => return Decision::Invalid,
        }
    }
    if allowed { Decision::Allow(context) } else { Decision::Deny }
}

fn any(one_or_many: &Value, test: impl Fn(&str) -> bool) -> bool {
    match one_or_many {
        Value::String(one) => test(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).any(test),
        _ => false,
    }
}

/// IAM's wildcards: `*` is any text, `?` is any one character.
fn matches(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..])),
        _ => text
            .chars()
            .next()
            .is_some_and(|c| (first == '?' || first == c) && matches(rest, &text[c.len_utf8()..])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:SocketApi/live/$connect";

    fn answer(effect: &str, resource: &str) -> Value {
        json!({
            "principalId": "u-1",
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource},
            ]},
            "context": {"exp": 17, "admin": true, "name": "ana", "none": null},
        })
    }

    #[test]
    fn an_allowing_policy_hands_its_context_on_as_strings() {
        let expected = json!({"principalId": "u-1", "exp": "17", "admin": "true", "name": "ana"});
        for resource in [ARN, "*", "arn:aws:execute-api:us-east-1:*:SocketApi/*/$connec?"] {
            let Decision::Allow(context) = decide(&answer("Allow", resource), ARN) else {
                panic!("{resource}")
            };
            assert_eq!(Value::from(context), expected);
        }
    }

    #[test]
    fn everything_else_is_denied_or_invalid() {
        assert_eq!(decide(&answer("Deny", "*"), ARN), Decision::Deny);
        assert_eq!(decide(&answer("Allow", "arn:aws:execute-api:*/other/*"), ARN), Decision::Deny);
        let mut nested = answer("Allow", "*");
        nested["context"]["list"] = json!([1]);
        assert_eq!(decide(&nested, ARN), Decision::Invalid);
        assert_eq!(decide(&json!({"isAuthorized": true}), ARN), Decision::Invalid);
    }
}
