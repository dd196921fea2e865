//! Tokens signed with a shared secret.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

/// A token with these claims, signed with HS256.
pub fn signed(secret: &str, claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// The time `seconds` from now, in seconds since 1970, for example as an `exp`.
pub fn in_seconds(seconds: i64) -> i64 {
    shared::clock::Clock::system().now().seconds() + seconds
}
