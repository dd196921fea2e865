//! The input fields of every operation and frame, from `openapi.yaml` and `asyncapi.yaml`.

use serde_json::Value;

/// Where a field is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Path,
    Query,
    /// The body, or the data of a frame.
    Body,
    /// The frame beside its type and data.
    Frame,
}

/// An input field.
#[derive(Clone, Debug)]
pub struct Field {
    pub place: Place,
    /// The names on the way to the field.
    pub path: Vec<String>,
    pub schema: Value,
}

impl Field {
    pub fn name(&self) -> &str {
        self.path.last().unwrap()
    }
}

/// An operation or a frame.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The name of the function.
    pub function: String,
    pub fields: Vec<Field>,
}

/// The two contracts.
pub struct Contract {
    openapi: Value,
    asyncapi: Value,
}

impl Contract {
    pub fn read() -> Self {
        let parse = |text: &str| serde_yaml_ng::from_str::<Value>(text).unwrap();
        Self {
            openapi: parse(include_str!("../../../../openapi.yaml")),
            asyncapi: parse(include_str!("../../../../asyncapi.yaml")),
        }
    }

    /// A value, or the target of its reference. References of the openapi.yaml document name no file there.
    pub fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value["$ref"].as_str() {
            let (_, pointer) = reference.split_once('#').unwrap();
            let found = self.openapi.pointer(pointer).filter(|_| !pointer.starts_with("/channels"));
            value = found.or_else(|| self.asyncapi.pointer(pointer)).unwrap_or_else(|| panic!("{reference}"));
        }
        value
    }

    /// All operations and frames that clients send.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for item in self.openapi["paths"].as_object().unwrap().values() {
            operations.extend(item.as_object().unwrap().values().map(|operation| self.call(operation)));
        }
        for operation in self.asyncapi["operations"].as_object().unwrap().values() {
            if operation["action"] == "receive" {
                let messages = operation["messages"].as_array().unwrap().iter();
                operations.extend(messages.map(|message| self.frame(self.resolve(message))));
            }
        }
        operations
    }

    fn call(&self, operation: &Value) -> Operation {
        let mut fields = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = self.resolve(parameter);
            let place = if parameter["in"] == "path" { Place::Path } else { Place::Query };
            let path = vec![parameter["name"].as_str().unwrap().to_owned()];
            fields.push(Field { place, path, schema: self.resolve(&parameter["schema"]).clone() });
        }
        if let Some(body) = operation.get("requestBody") {
            let schema = &self.resolve(body)["content"]["application/json"]["schema"];
            self.add_fields(Place::Body, &[], schema, &mut fields);
        }
        let id = operation["operationId"].as_str().unwrap();
        // The list at the path with a trailing slash is a part of the function of unknown paths.
        let function = if id == "friendsListSlashed" { "http-unknown".to_owned() } else { kebab(id) };
        Operation { function, fields }
    }

    fn frame(&self, message: &Value) -> Operation {
        let mut fields = Vec::new();
        for (name, schema) in message["payload"]["properties"].as_object().unwrap() {
            match name.as_str() {
                "type" => {}
                "data" => self.add_fields(Place::Body, &[], schema, &mut fields),
                _ => fields.push(Field {
                    place: Place::Frame,
                    path: vec![name.clone()],
                    schema: self.resolve(schema).clone(),
                }),
            }
        }
        let function = format!("socket-{}", message["name"].as_str().unwrap().replace('_', "-"));
        Operation { function, fields }
    }

    /// Adds the properties of an object, and of the objects in it.
    fn add_fields(&self, place: Place, path: &[String], schema: &Value, fields: &mut Vec<Field>) {
        for (name, schema) in self.resolve(schema)["properties"].as_object().into_iter().flatten() {
            let schema = self.resolve(schema);
            let path: Vec<String> = path.iter().chain([name]).cloned().collect();
            if schema.get("properties").is_some() {
                self.add_fields(place, &path, schema, fields);
            } else {
                fields.push(Field { place, path, schema: schema.clone() });
            }
        }
    }
}

/// `chatListPins` as `chat-list-pins`.
fn kebab(id: &str) -> String {
    let words = id.chars().flat_map(|c| {
        let dash = c.is_ascii_uppercase().then_some('-');
        dash.into_iter().chain([c.to_ascii_lowercase()])
    });
    words.collect()
}
