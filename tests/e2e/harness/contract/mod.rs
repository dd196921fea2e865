//! The contract: `openapi.yaml` and `asyncapi.yaml`, and whether what went over the wire keeps to them.

pub mod frames;
pub mod rest;
pub mod schema;
