//! Who a token proves the caller to be. This system issues no tokens.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    config::TokenConfig,
    domain::profile::Newcomer,
    error::{Error, Result},
    id::UserId,
};

/// How far the issuer's clock may be off, in seconds.
const LEEWAY: i64 = 60;

/// Longer tokens are refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest display name kept, in characters.
const MAX_NAME_CHARS: usize = 100;

/// The longest avatar URL kept, in bytes: it is repeated in every room's roster.
const MAX_AVATAR_BYTES: usize = 512;

/// Checks tokens with the secret shared with the issuer.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// Someone whose token was found good.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who.
    pub user_id: UserId,
    /// When the token ends, in seconds since 1970.
    pub expires: i64,
    /// What the token says of them, for their first visit.
    pub newcomer: Newcomer,
}

impl Verifier {
    /// HS256 and nothing else: the algorithm belongs to the key, never to the token.
    pub fn new(config: &TokenConfig) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked against our own clock, below.
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::new();
        validation.validate_aud = config.audience.is_some();
        if let Some(audience) = &config.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        Self { key: DecodingKey::from_secret(config.secret.as_bytes()), validation }
    }

    /// Who the token proves its bearer to be at this moment.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::InvalidToken("too long"));
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation).map_err(|error| {
            Error::InvalidToken(match error.kind() {
                ErrorKind::InvalidSignature => "bad signature",
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "algorithm not allowed",
                ErrorKind::InvalidIssuer => "other issuer",
                ErrorKind::InvalidAudience => "other audience",
                ErrorKind::MissingRequiredClaim(_) => "claim missing",
                _ => "malformed",
            })
        })?;
        claims.claims.identity(now)
    }
}

/// The claims that are read. Those of an unexpected type count as absent, except the times.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "text")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "text")]
    sub: Option<String>,
    #[serde(default, deserialize_with = "text")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "text")]
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    picture: Option<String>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
}

impl Claims {
    fn identity(self, now: Timestamp) -> Result<Identity> {
        let expires = seconds(self.exp.ok_or(Error::InvalidToken("no exp"))?);
        if now.seconds() >= expires.saturating_add(LEEWAY) {
            return Err(Error::TokenExpired);
        }
        if self.nbf.is_some_and(|nbf| seconds(nbf).saturating_sub(LEEWAY) > now.seconds()) {
            return Err(Error::InvalidToken("not valid yet"));
        }
        let user_id = UserId::from_claims(self.user_id.as_deref(), self.iss.as_deref(), self.sub.as_deref())
            .ok_or(Error::InvalidToken("names no user"))?;
        // A refreshed token of the existing backend carries the username in `sub` and the id in `user_id`.
        let named_by_sub = self.sub.filter(|sub| self.user_id.is_some() && sub.parse::<UserId>().is_err());
        // Some issuers say it in a text, most do not say it at all.
        let verified = match &self.email_verified {
            Value::Null | Value::Bool(true) => true,
            said => said == "true",
        };
        let newcomer = Newcomer {
            username: self.username.or(named_by_sub),
            email: self.email.filter(|_| verified),
            display_name: self.name.map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
            avatar_url: self
                .picture
                .filter(|url| url.starts_with("https://") && url.len() <= MAX_AVATAR_BYTES),
        };
        Ok(Identity { user_id, expires, newcomer })
    }
}

/// A `NumericDate` (RFC 7519, section 2) in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and times beyond i64 are as good as its ends"
)]
fn seconds(date: f64) -> i64 {
    date as i64
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "a secret for tests, of more than 32 bytes";
    const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";
    const NOW: i64 = 1_770_000_000;

    fn config() -> TokenConfig {
        TokenConfig { secret: SECRET.to_owned(), issuer: None, audience: None }
    }

    fn signed(header: &Header, claims: &Value, secret: &str) -> String {
        encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn verify_with(config: &TokenConfig, claims: &Value) -> Result<Identity> {
        let token = signed(&Header::default(), claims, SECRET);
        Verifier::new(config).verify(&token, Timestamp::from_seconds(NOW))
    }

    fn verify(claims: &Value) -> Result<Identity> {
        verify_with(&config(), claims)
    }

    #[test]
    fn the_backends_token_names_its_user() {
        let claims =
            json!({"sub": ANA, "user_id": ANA, "username": "ana", "email": "a@example.com", "exp": NOW + 60});
        let ana = verify(&claims).unwrap();
        assert_eq!((ana.user_id.to_string().as_str(), ana.expires), (ANA, NOW + 60));
        assert_eq!(ana.newcomer.username.as_deref(), Some("ana"));
        assert_eq!(ana.newcomer.email.as_deref(), Some("a@example.com"));
    }

    #[test]
    fn a_refreshed_token_carries_the_username_in_sub() {
        let ana = verify(&json!({"sub": "ana", "user_id": ANA, "exp": NOW + 60})).unwrap();
        assert_eq!(ana.user_id.to_string(), ANA);
        assert_eq!(ana.newcomer.username.as_deref(), Some("ana"));
    }

    #[test]
    fn an_unverified_address_or_an_odd_picture_is_not_taken() {
        let claims = json!({"sub": ANA, "exp": NOW + 60, "email": "a@b.c", "email_verified": "false",
            "picture": "javascript:1", "name": 7, "username": " "});
        let newcomer = verify(&claims).unwrap().newcomer;
        assert!(newcomer.email.is_none() && newcomer.avatar_url.is_none() && newcomer.display_name.is_none());
        assert!(newcomer.username.is_none());
    }

    #[test]
    fn times_are_checked_with_a_minutes_leeway() {
        assert!(verify(&json!({"sub": ANA, "exp": NOW - 59})).is_ok());
        assert!(matches!(verify(&json!({"sub": ANA, "exp": NOW - 60})), Err(Error::TokenExpired)));
        assert!(matches!(verify(&json!({"sub": ANA})), Err(Error::InvalidToken("no exp"))));
        assert!(matches!(verify(&json!({"sub": ANA, "exp": "soon"})), Err(Error::InvalidToken(_))));
        assert!(verify(&json!({"sub": ANA, "exp": NOW + 99, "nbf": NOW + 60})).is_ok());
        assert!(verify(&json!({"sub": ANA, "exp": NOW + 99, "nbf": NOW + 61})).is_err());
    }

    #[test]
    fn issuer_and_audience_are_required_once_configured() {
        let strict = TokenConfig { issuer: Some("us".into()), audience: Some("chat".into()), ..config() };
        let claims = |iss: &str, aud: &str| json!({"sub": ANA, "exp": NOW + 60, "iss": iss, "aud": aud});
        assert!(verify_with(&strict, &claims("us", "chat")).is_ok());
        assert!(verify_with(&strict, &claims("them", "chat")).is_err());
        assert!(verify_with(&strict, &claims("us", "shop")).is_err());
        assert!(verify_with(&strict, &json!({"sub": ANA, "exp": NOW + 60})).is_err());
    }

    #[test]
    fn only_hs256_by_our_secret_counts() {
        let claims = json!({"sub": ANA, "exp": NOW + 60});
        let verifier = Verifier::new(&config());
        let refused = |token: &str| verifier.verify(token, Timestamp::from_seconds(NOW)).is_err();
        let good = signed(&Header::default(), &claims, SECRET);
        assert!(!refused(&good));
        assert!(refused(&signed(&Header::default(), &claims, "another secret of more than 32 bytes")));
        assert!(refused(&signed(&Header::new(Algorithm::HS512), &claims, SECRET)));
        // {"alg":"none","typ":"JWT"} before the same claims, without a signature.
        let body = good.split('.').nth(1).unwrap();
        assert!(refused(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.")));
        assert!(refused("") && refused("a.b.c") && refused(&"a".repeat(10_000)));
        assert!(verify(&json!({"sub": "ana", "exp": NOW + 60})).is_err());
    }
}
