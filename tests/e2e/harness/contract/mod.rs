//! Checks calls and frames against the contract: `openapi.yaml` and `asyncapi.yaml`.

pub mod frames;
pub mod rest;
pub mod schema;
