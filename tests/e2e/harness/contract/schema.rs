//! `openapi.yaml` and `asyncapi.yaml` as JSON, and their schemas as validators.

use std::{fs, sync::LazyLock};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// The contract of the HTTP API.
pub static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_yaml_ng::from_str(&text("openapi.yaml")).expect("openapi.yaml is YAML"));

/// The contract of the socket, with the schemas of `openapi.yaml` merged into its own.
pub static ASYNCAPI: LazyLock<Value> = LazyLock::new(|| {
    let text = text("asyncapi.yaml").replace("openapi.yaml#/components/schemas/", "#/components/schemas/");
    let mut asyncapi: Value = serde_yaml_ng::from_str(&text).expect("asyncapi.yaml is YAML");
    let schemas = asyncapi["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in OPENAPI["components"]["schemas"].as_object().unwrap() {
        assert!(
            schemas.insert(name.clone(), schema.clone()).is_none(),
            "{name} is defined in only one of the files"
        );
    }
    asyncapi
});

fn text(file: &str) -> String {
    fs::read_to_string(local::project_root().join(file)).unwrap()
}

/// The value itself, or the target of its `$ref`.
pub fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        value = found.unwrap_or_else(|| panic!("{reference} has no target"));
    }
    value
}

/// A validator of a document's schema. It validates `format` too.
pub fn validator(document: &Value, schema: &Value) -> Validator {
    // References point to the components of the root, so the root must contain them.
    let root = json!({"components": document["components"], "allOf": [schema]});
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&root).unwrap_or_else(|error| panic!("{schema} is not a schema: {error}"))
}

/// The violations of a schema by a value, one per line. `None` if the value is valid.
pub fn violations(validator: &Validator, value: &Value) -> Option<String> {
    let violations =
        validator.iter_errors(value).map(|error| format!("at `{}`: {error}", error.instance_path()));
    let violations: Vec<String> = violations.collect();
    (!violations.is_empty()).then(|| violations.join("\n"))
}

/// The JSON value of a header or parameter: an integer if its schema says so, or else a string.
pub fn from_text(document: &Value, schema: &Value, text: &str) -> Value {
    let is_integer = resolve(document, schema)["type"] == "integer";
    let number = text.parse::<u64>().ok().filter(|_| is_integer);
    number.map_or_else(|| json!(text), |number| json!(number))
}
