//! Evaluates the result of an authorizer: its policy and its context.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use serde_json::{Map, Value};

/// An authorizer's decision.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Allowed. Contains `principalId` and the context, with all values as strings.
    Allow(Map<String, Value>),
    /// Denied by the policy.
    Deny,
    /// API Gateway would reject the result.
    Invalid,
}

/// API Gateway's largest result of an authorizer, in bytes.
const RESULT_LIMIT: usize = 8 * 1024;

/// Evaluates the result of an authorizer for one method.
pub fn evaluate(result: &Value, method_arn: &str) -> Decision {
    let Some(principal) = result["principalId"].as_str() else {
        return Decision::Invalid;
    };
    if result.to_string().len() > RESULT_LIMIT {
        return Decision::Invalid;
    }
    let statements = match &result["policyDocument"]["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Object(one) => vec![one.clone().into()],
        _ => return Decision::Invalid,
    };
    let mut context = Map::new();
    for (key, value) in result["context"].as_object().into_iter().flatten() {
        let text = match value {
            // How API Gateway treats other characters is not documented.
            Value::String(text) if text.chars().all(|c| c.is_ascii() && !c.is_ascii_control()) => {
                text.clone()
            }
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => continue,
            // On AWS too, a list or an object in the context is a configuration error.
            _ => return Decision::Invalid,
        };
        context.insert(key.clone(), text.into());
    }
    context.insert("principalId".into(), principal.into());

    let mut is_allowed = false;
    for statement in &statements {
        let is_invoke = any(&statement["Action"], |action| matches(action, "execute-api:Invoke"));
        if !is_invoke || !any(&statement["Resource"], |resource| matches(resource, method_arn)) {
            continue;
        }
        match statement["Effect"].as_str() {
            Some("Allow") => is_allowed = true,
            Some("Deny") => return Decision::Deny,
            _ => return Decision::Invalid,
        }
    }
    if is_allowed { Decision::Allow(context) } else { Decision::Deny }
}

fn any(one_or_many: &Value, test: impl Fn(&str) -> bool) -> bool {
    match one_or_many {
        Value::String(one) => test(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).any(test),
        _ => false,
    }
}

/// Matches the wildcards of IAM: `*` is any text, `?` is any single character.
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

    fn result(effect: &str, resource: &str) -> Value {
        json!({
            "principalId": "u-1",
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource},
            ]},
            "context": {"exp": 17, "admin": true, "name": "ana", "none": null},
        })
    }

    #[test]
    fn an_allowed_request_gets_the_context_as_strings() {
        let expected = json!({"principalId": "u-1", "exp": "17", "admin": "true", "name": "ana"});
        for resource in [ARN, "*", "arn:aws:execute-api:us-east-1:*:SocketApi/*/$connec?"] {
            let Decision::Allow(context) = evaluate(&result("Allow", resource), ARN) else {
                panic!("{resource}")
            };
            assert_eq!(Value::from(context), expected);
        }
    }

    #[test]
    fn any_other_result_is_denied_or_invalid() {
        assert_eq!(evaluate(&result("Deny", "*"), ARN), Decision::Deny);
        assert_eq!(evaluate(&result("Allow", "arn:aws:execute-api:*/other/*"), ARN), Decision::Deny);
        let mut nested = result("Allow", "*");
        nested["context"]["list"] = json!([1]);
        assert_eq!(evaluate(&nested, ARN), Decision::Invalid);
        for text in ["Zoë", "a\nb", &"x".repeat(RESULT_LIMIT)] {
            let mut unsafe_text = result("Allow", "*");
            unsafe_text["context"]["name"] = json!(text);
            assert_eq!(evaluate(&unsafe_text, ARN), Decision::Invalid, "{text}");
        }
        assert_eq!(evaluate(&json!({"isAuthorized": true}), ARN), Decision::Invalid);
    }
}
