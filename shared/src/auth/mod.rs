//! Verification of access tokens. This system issues no tokens.
//!
//! A key determines its algorithm: HS256 for a shared secret, RS256 for an RSA key, ES256 for a P-256 key.
//! The header of a token only selects among the keys of its own algorithm, and `iss` selects the issuer.

mod claims;
mod fetch;
mod issuers;
mod key_set;
mod keys;
mod token;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

pub use fetch::Http;
pub use issuers::IssuerConfig;

use crate::{
    clock::Timestamp,
    config::{SecretConfig, TokenConfig},
    domain::users::profile::TokenProfile,
    error::{Error, Result},
    id::UserId,
};
use claims::Trust;
use issuers::texts;
use keys::Keys;
use token::Token;

/// The maximum time until a token of an issuer with published keys expires, in seconds: one year. Such tokens
/// are valid for hours.
const MAX_LIFETIME: i64 = 366 * 86_400;

/// The maximum for a shared secret: 100 years. Its owner decides; the bound only rejects an `exp` that is
/// not a date.
const MAX_LIFETIME_BY_SECRET: i64 = 100 * MAX_LIFETIME;

/// Verifies tokens with the shared secrets of one issuer and with the published keys of others.
#[derive(Clone)]
pub struct Verifier {
    secret: Option<Arc<Secret>>,
    issuers: Arc<[Issuer]>,
}

struct Secret {
    keys: Vec<DecodingKey>,
    config: SecretConfig,
}

struct Issuer {
    config: IssuerConfig,
    keys: Arc<Keys>,
}

/// The identity that a valid token proves.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user.
    pub user_id: UserId,
    /// When the token expires, in Unix seconds.
    pub expires: i64,
    /// When the token was issued, in Unix seconds, if it has an `iat`.
    pub issued_at: Option<i64>,
    /// The profile claims, for a new account.
    pub profile: TokenProfile,
}

impl Verifier {
    /// Creates a verifier. Keys are fetched when the first token needs them.
    pub fn new(config: &TokenConfig, http: &Http) -> Self {
        let secret = config.secret.clone().map(|config| {
            let keys = config.secrets.iter().map(|secret| DecodingKey::from_secret(secret.as_bytes()));
            Arc::new(Secret { keys: keys.collect(), config })
        });
        let issuers = config.issuers.iter().cloned().map(|config| {
            let keys = Keys::new(config.jwks_url.clone(), http.clone());
            Issuer { config, keys }
        });
        Self { secret, issuers: issuers.collect() }
    }

    /// Verifies a token at `now`.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity> {
        let token = Token::read(token)?;
        let issuer =
            self.issuers.iter().find(|issuer| token.issuer().is_some_and(|iss| issuer.config.has_name(iss)));
        if token.algorithm == Algorithm::HS256 {
            let secret = self.secret.as_ref().ok_or(Error::InvalidToken("algorithm not allowed"))?;
            return secret.verify(&token, issuer.is_some(), now);
        }
        issuer.ok_or(Error::InvalidToken("unknown issuer"))?.verify(&token, now).await
    }
}

impl Secret {
    fn verify(&self, token: &Token, has_other_issuer: bool, now: Timestamp) -> Result<Identity> {
        self.check_claims(token, has_other_issuer)?;
        check_signature(token, &self.keys)?;
        let trust = Trust { issuer: token.issuer(), names_users: true, max_lifetime: MAX_LIFETIME_BY_SECRET };
        claims::identity(&token.claims, &trust, now)
    }

    /// Checks the issuer and the audience of a token. Without a configured issuer, any issuer is accepted
    /// except those that publish their keys.
    fn check_claims(&self, token: &Token, has_other_issuer: bool) -> Result<()> {
        let is_accepted = match &self.config.issuer {
            Some(issuer) => token.issuer() == Some(issuer),
            None => !has_other_issuer,
        };
        if !is_accepted {
            return Err(Error::InvalidToken("unknown issuer"));
        }
        match &self.config.audience {
            Some(accepted) if !texts(token.claims.get("aud")).any(|audience| audience == accepted) => {
                Err(Error::InvalidToken("wrong audience"))
            }
            _ => Ok(()),
        }
    }
}

impl Issuer {
    async fn verify(&self, token: &Token<'_>, now: Timestamp) -> Result<Identity> {
        let Self { config, keys } = self;
        config.check_claims(&token.claims)?;
        let key = keys.find(token.key_id.as_deref(), token.algorithm, now).await?;
        check_signature(token, &[key])?;
        let trust = Trust {
            issuer: Some(&config.issuer),
            names_users: config.names_users,
            max_lifetime: MAX_LIFETIME,
        };
        claims::identity(&token.claims, &trust, now)
    }
}

/// Checks the signature of a token. One of the keys, all for the token's algorithm, must verify it. All are
/// tried in any case, so that the time does not depend on which one does.
fn check_signature(token: &Token, keys: &[DecodingKey]) -> Result<()> {
    let verify = |key| crypto::verify(token.signature, token.message.as_bytes(), key, token.algorithm);
    let results: Vec<_> = keys.iter().map(verify).collect();
    if results.iter().any(|result| matches!(result, Ok(true))) {
        Ok(())
    } else if results.iter().any(Result::is_err) {
        Err(Error::InvalidToken("malformed signature"))
    } else {
        Err(Error::InvalidToken("bad signature"))
    }
}

#[cfg(test)]
#[path = "../../../tests/key_pair.rs"]
mod key_pair;
#[cfg(test)]
mod test_issuer;
#[cfg(test)]
mod tests;
