//! Development tokens, with the claims of the backend that issues the real ones.

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::clock::epoch_millis;

/// Makes a username's id the same in every stack: a version 5 UUID in this namespace of the lower-cased name.
const USERS: Uuid = Uuid::from_u128(0x6c1f_1b62_0f3e_4c57_9d3a_5b8e_2f77_a1c4);
/// What tokens are signed with in a stack that only this machine can reach. It is the same everywhere, so that the
/// sample events in `events/` can carry a token, and it keeps nobody out: whoever reaches such a stack may mint
/// tokens at `/local/token` anyway.
pub const DEVELOPMENT_SECRET: &str = "for-local-development-only-everybody-knows-this-secret";
/// How long a token lasts where nothing else is asked: a day.
const LIFE_SECONDS: i64 = 24 * 60 * 60;
const LONGEST_NAME: usize = 50;

/// A token, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevToken {
    /// The JWT, for `Authorization: Bearer …` or `?token=…`.
    pub access_token: String,
    /// The user's id.
    pub user_id: Uuid,
}

/// What a token may carry beside its username.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Extras {
    /// The display name, claim `name`: the functions take it when they first see the user.
    pub name: Option<String>,
    /// The picture, claim `picture`: likewise, if it is an `https` URL.
    pub picture: Option<String>,
    /// How long it lasts, in seconds; it may be negative. Without it, a day.
    pub expires_in: Option<i64>,
    /// When it was issued, claim `iat`, in seconds since 1970: before the first call that is made with it. Without it, now.
    pub issued_at: Option<i64>,
}

/// Signs tokens that the functions accept.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The shared HS256 secret.
    pub secret: String,
    /// `iss`, if the functions check it.
    pub iss: Option<String>,
    /// `aud`, if the functions check it.
    pub aud: Option<String>,
}

impl Issuer {
    /// Signs a token.
    ///
    /// # Errors
    /// If signing fails.
    pub fn mint(&self, username: &str, extras: &Extras) -> Result<DevToken> {
        let user_id = Uuid::new_v5(&USERS, username.to_lowercase().as_bytes());
        let now = epoch_millis() / 1000;
        let mut claims = json!({
            "sub": user_id,
            "user_id": user_id,
            "username": username,
            "email": format!("{username}@example.com"),
            "iat": extras.issued_at.unwrap_or(now),
            "exp": now.saturating_add(extras.expires_in.unwrap_or(LIFE_SECONDS)),
        });
        let optional =
            [("iss", &self.iss), ("aud", &self.aud), ("name", &extras.name), ("picture", &extras.picture)];
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

/// A username that a token can be minted for, without the spaces around it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check_username(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("`username` must not be empty.".into());
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(format!("`username` must have at most {LONGEST_NAME} characters."));
    }
    match name.chars().find(|c| !c.is_alphanumeric() && !"._-".contains(*c)) {
        Some(other) => Err(format!("`username` may have letters, digits and `._-`, not {other:?}.")),
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
    fn the_same_name_is_the_same_user_whatever_its_case() {
        let (ana, upper) = (
            issuer().mint("ana", &Extras::default()).unwrap(),
            issuer().mint("ANA", &Extras::default()).unwrap(),
        );
        assert_eq!(ana.user_id, upper.user_id);
        assert_ne!(ana.user_id, issuer().mint("ben", &Extras::default()).unwrap().user_id);
    }

    #[test]
    fn a_token_carries_the_claims_and_its_expiry() {
        let key = DecodingKey::from_secret("s".repeat(32).as_bytes());
        let validation = Validation::new(Algorithm::HS256);
        let token = issuer().mint("ana", &Extras::default()).unwrap();
        let claims = decode::<Value>(&token.access_token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], token.user_id.to_string());
        assert_eq!(claims["user_id"], claims["sub"]);
        assert_eq!(claims["email"], "ana@example.com");
        assert_eq!(claims["iss"], "https://issuer.example");
        assert!(claims.get("aud").is_none());
        let stale = issuer().mint("ana", &Extras { expires_in: Some(-3600), ..Extras::default() }).unwrap();
        assert!(decode::<Value>(&stale.access_token, &key, &validation).is_err());
    }

    #[test]
    fn a_bad_username_is_refused_in_a_sentence() {
        assert_eq!(check_username(" ana "), Ok("ana"));
        for bad in ["", "  ", "a b", "a/b", &"x".repeat(51)] {
            assert!(check_username(bad).unwrap_err().ends_with('.'), "{bad}");
        }
    }
}
