//! Development tokens, with the claims of the tokens that the Athlytiq backend issues.

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::clock::epoch_millis;

/// The namespace of user ids. An id is the version 5 UUID of the lower-case username, equal in every stack.
const USER_NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_1b62_0f3e_4c57_9d3a_5b8e_2f77_a1c4);
/// The signing secret of a loopback-only stack. It is constant, so that the sample events in `events/` can
/// contain a token. It protects nothing: such a stack issues tokens to any caller of `/local/token`.
pub const DEVELOPMENT_SECRET: &str = "for-local-development-only-everybody-knows-this-secret";
/// The default lifetime of a token: one day.
const DEFAULT_LIFETIME_SECONDS: i64 = 24 * 60 * 60;
const MAX_USERNAME_CHARS: usize = 50;

/// A development token and its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevToken {
    /// The JWT, for `Authorization: Bearer …` or `?token=…`.
    pub access_token: String,
    /// The user's id.
    pub user_id: Uuid,
}

/// Optional claims of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenOptions {
    /// The display name, claim `name`. The functions use it when they create the profile.
    pub name: Option<String>,
    /// The avatar, claim `picture`. The functions use an `https` URL when they create the profile.
    pub picture: Option<String>,
    /// The lifetime in seconds; may be negative. Default: one day.
    pub expires_in: Option<i64>,
    /// The claim `iat`, in seconds since 1970; at most the time of the first request. Default: now.
    pub issued_at: Option<i64>,
}

/// Signs tokens that the functions accept.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The shared HS256 secret.
    pub secret: String,
    /// The claim `iss`, if the functions check it.
    pub iss: Option<String>,
    /// The claim `aud`, if the functions check it.
    pub aud: Option<String>,
}

impl Issuer {
    /// Signs a token.
    ///
    /// # Errors
    /// If signing fails.
    pub fn sign(&self, username: &str, options: &TokenOptions) -> Result<DevToken> {
        let user_id = Uuid::new_v5(&USER_NAMESPACE, username.to_lowercase().as_bytes());
        let now = epoch_millis() / 1000;
        let mut claims = json!({
            "sub": user_id,
            "user_id": user_id,
            "username": username,
            "email": format!("{username}@example.com"),
            "iat": options.issued_at.unwrap_or(now),
            "exp": now.saturating_add(options.expires_in.unwrap_or(DEFAULT_LIFETIME_SECONDS)),
        });
        let optional =
            [("iss", &self.iss), ("aud", &self.aud), ("name", &options.name), ("picture", &options.picture)];
        for (claim, value) in optional {
            if let Some(value) = value {
                claims[claim] = value.as_str().into();
            }
        }
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        let access_token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?;
        Ok(DevToken { access_token, user_id })
    }
}

/// Returns the username without surrounding whitespace.
///
/// # Errors
/// A sentence that explains why the username is invalid.
pub fn validate_username(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("`username` must not be empty.".into());
    }
    if name.chars().count() > MAX_USERNAME_CHARS {
        return Err(format!("`username` must have at most {MAX_USERNAME_CHARS} characters."));
    }
    match name.chars().find(|c| !c.is_alphanumeric() && !"._-".contains(*c)) {
        Some(other) => {
            Err(format!("`username` may have letters, digits and the characters `._-`, but not {other:?}."))
        }
        None => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::Value;

    use super::*;

    fn issuer() -> Issuer {
        Issuer { secret: "s".repeat(32), iss: Some("https://issuer.example".into()), aud: None }
    }

    #[test]
    fn the_user_id_of_a_username_ignores_case() {
        let (ana, upper) = (
            issuer().sign("ana", &TokenOptions::default()).unwrap(),
            issuer().sign("ANA", &TokenOptions::default()).unwrap(),
        );
        assert_eq!(ana.user_id, upper.user_id);
        assert_ne!(ana.user_id, issuer().sign("ben", &TokenOptions::default()).unwrap().user_id);
    }

    #[test]
    fn a_token_contains_its_claims_and_expires() {
        let key = DecodingKey::from_secret("s".repeat(32).as_bytes());
        let validation = Validation::new(Algorithm::HS256);
        let token = issuer().sign("ana", &TokenOptions::default()).unwrap();
        let claims = decode::<Value>(&token.access_token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], token.user_id.to_string());
        assert_eq!(claims["user_id"], claims["sub"]);
        assert_eq!(claims["email"], "ana@example.com");
        assert_eq!(claims["iss"], "https://issuer.example");
        assert!(claims.get("aud").is_none());
        let expired = issuer()
            .sign("ana", &TokenOptions { expires_in: Some(-3600), ..TokenOptions::default() })
            .unwrap();
        assert!(decode::<Value>(&expired.access_token, &key, &validation).is_err());
    }

    #[test]
    fn an_invalid_username_is_rejected_with_a_sentence() {
        assert_eq!(validate_username(" ana "), Ok("ana"));
        for bad in ["", "  ", "a b", "a/b", &"x".repeat(51)] {
            assert!(validate_username(bad).unwrap_err().ends_with('.'), "{bad}");
        }
    }
}
