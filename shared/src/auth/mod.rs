//! Who a token proves the caller to be. This system issues no tokens.
//!
//! A key decides what it may check: the shared secret HS256, an RSA key RS256, a P-256 key ES256. The token's header only
//! chooses among keys of its own kind, and its `iss` among issuers.

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

/// How long before its end a token may be used, in seconds: a year where the issuer publishes its keys, since such tokens
/// live for hours; a hundred years for the shared secret, whose owner decides, so that an `exp` is a date at all.
const LONGEST_LIFE: i64 = 366 * 86_400;
const LONGEST_LIFE_BY_SECRET: i64 = 100 * LONGEST_LIFE;

/// Checks tokens: by the secret shared with one issuer, and by the keys that others publish.
#[derive(Clone)]
pub struct Verifier {
    secret: Option<Arc<Secret>>,
    issuers: Arc<[Issuer]>,
}

struct Secret {
    key: DecodingKey,
    config: SecretConfig,
}

struct Issuer {
    config: IssuerConfig,
    keys: Arc<Keys>,
}

/// Someone whose token was found good.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who.
    pub user_id: UserId,
    /// When the token ends, in seconds since 1970.
    pub expires: i64,
    /// When it was issued, in seconds since 1970, if it says so.
    pub issued_at: Option<i64>,
    /// What the token says of them, for their first visit.
    pub profile: TokenProfile,
}

impl Verifier {
    /// A verifier that fetches nothing until a token needs it.
    pub fn new(config: &TokenConfig, http: &Http) -> Self {
        let secret = config.secret.clone().map(|config| {
            Arc::new(Secret { key: DecodingKey::from_secret(config.secret.as_bytes()), config })
        });
        let issuers = config.issuers.iter().cloned().map(|config| {
            let keys = Keys::new(config.jwks_url.clone(), http.clone());
            Issuer { config, keys }
        });
        Self { secret, issuers: issuers.collect() }
    }

    /// Who the token proves its bearer to be at this moment.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity> {
        let token = Token::read(token)?;
        let issuer =
            self.issuers.iter().find(|known| token.issuer().is_some_and(|name| known.config.is_named(name)));
        if token.algorithm == Algorithm::HS256 {
            let secret = self.secret.as_ref().ok_or(Error::InvalidToken("algorithm not allowed"))?;
            return secret.verify(&token, issuer.is_some(), now);
        }
        issuer.ok_or(Error::InvalidToken("other issuer"))?.verify(&token, now).await
    }
}

impl Secret {
    fn verify(&self, token: &Token, is_of_another: bool, now: Timestamp) -> Result<Identity> {
        self.check_purpose(token, is_of_another)?;
        check_signature(token, &self.key)?;
        let trust = Trust { issuer: token.issuer(), names_users: true, longest_life: LONGEST_LIFE_BY_SECRET };
        claims::identity(&token.claims, &trust, now)
    }

    /// Makes sure that a token is of the issuer that the secret is shared with, and for us. Without an issuer configured that
    /// is anyone's, but not one of those who publish their keys.
    fn check_purpose(&self, token: &Token, is_of_another: bool) -> Result<()> {
        let is_of_ours = match &self.config.issuer {
            Some(own) => token.issuer() == Some(own),
            None => !is_of_another,
        };
        if !is_of_ours {
            return Err(Error::InvalidToken("other issuer"));
        }
        match &self.config.audience {
            Some(own) if !texts(token.claims.get("aud")).any(|audience| audience == own) => {
                Err(Error::InvalidToken("other audience"))
            }
            _ => Ok(()),
        }
    }
}

impl Issuer {
    async fn verify(&self, token: &Token<'_>, now: Timestamp) -> Result<Identity> {
        let Self { config, keys } = self;
        config.check_purpose(&token.claims)?;
        let key = keys.find(token.key_id.as_deref(), token.algorithm, now).await?;
        check_signature(token, &key)?;
        let trust = Trust {
            issuer: Some(&config.issuer),
            names_users: config.names_users,
            longest_life: LONGEST_LIFE,
        };
        claims::identity(&token.claims, &trust, now)
    }
}

/// Makes sure that the key's owner has signed the token. The key must be one for the token's algorithm.
fn check_signature(token: &Token, key: &DecodingKey) -> Result<()> {
    match crypto::verify(token.signature, token.message.as_bytes(), key, token.algorithm) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::InvalidToken("bad signature")),
        Err(_) => Err(Error::InvalidToken("malformed signature")),
    }
}

#[cfg(test)]
mod issuer_of_tests;
#[cfg(test)]
#[path = "../../../tests/key_pair.rs"]
mod key_pair;
#[cfg(test)]
mod tests;
