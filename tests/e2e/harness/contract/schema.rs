//! The two files as JSON, and their schemas as validators.

use std::{fs, sync::LazyLock};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// What is said of REST.
pub static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_yaml_ng::from_str(&text("openapi.yaml")).expect("openapi.yaml is YAML"));

/// What is said of the socket, with the schemas of `openapi.yaml` that it refers to among its own.
pub static ASYNCAPI: LazyLock<Value> = LazyLock::new(|| {
    let text = text("asyncapi.yaml").replace("openapi.yaml#/components/schemas/", "#/components/schemas/");
    let mut asyncapi: Value = serde_yaml_ng::from_str(&text).expect("asyncapi.yaml is YAML");
    let own = asyncapi["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in OPENAPI["components"]["schemas"].as_object().unwrap() {
        assert!(own.insert(name.clone(), schema.clone()).is_none(), "{name} means one thing in both files");
    }
    asyncapi
});

fn text(file: &str) -> String {
    fs::read_to_string(local::project_root().join(file)).unwrap()
}

/// The value itself, or what its `$ref` leads to.
pub fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        value = found.unwrap_or_else(|| panic!("{reference} leads nowhere"));
    }
    value
}

/// A schema of a document, ready for use; `format` counts.
pub fn validator(document: &Value, schema: &Value) -> Validator {
    // References lead to the root's components, so the schema comes with them.
    let root = json!({"components": document["components"], "allOf": [schema]});
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&root).unwrap_or_else(|error| panic!("{schema} is no schema: {error}"))
}

/// What is wrong with a value, one line for each fault.
pub fn faults(validator: &Validator, value: &Value) -> Option<String> {
    let faults = validator.iter_errors(value).map(|error| format!("at `{}`: {error}", error.instance_path()));
    let faults: Vec<String> = faults.collect();
    (!faults.is_empty()).then(|| faults.join("\n"))
}

/// A header or parameter as what its schema says it is: a number, or the text itself.
pub fn from_text(document: &Value, schema: &Value, text: &str) -> Value {
    let whole = resolve(document, schema)["type"] == "integer";
    let number = text.parse::<u64>().ok().filter(|_| whole);
    number.map_or_else(|| json!(text), |number| json!(number))
}
