//! Recordings of the calls that tests make, which `.ci/replay.py` repeats on another engine.

use std::{
    env,
    fs::File,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use uuid::Uuid;

/// The variable with the folder of recordings. Unset, nothing is recorded.
const FOLDER: &str = "DYNAMODB_RECORDINGS";

/// The calls to one engine, in the order of their answers: one JSON line per call.
pub struct Recording(Option<Mutex<File>>);

impl Recording {
    /// Starts a recording, if the variable names a folder.
    #[expect(clippy::disallowed_methods, reason = "a setting of the test run")]
    pub fn start() -> Self {
        Self(env::var_os(FOLDER).map(|folder| {
            let file = Path::new(&folder).join(format!("{}.jsonl", Uuid::new_v4()));
            Mutex::new(File::create(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        }))
    }

    /// Records a call with the type of its error, if the engine answered with one.
    pub fn add(&self, operation: &str, request: &str, answer: &str) {
        let Some(file) = &self.0 else { return };
        let [request, answer] =
            [request, answer].map(|json| serde_json::from_str(json).unwrap_or(Value::Null));
        let line = json!({"operation": operation, "request": request, "error": answer.get("__type")});
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").unwrap_or_else(|error| panic!("cannot record a call: {error}"));
    }
}
