//! The functions' configuration: the only place that reads environment variables.

use crate::error::{Error, Result};

/// Every variable that a function may read, as `template.yaml` spells them.
pub const VARIABLES: [&str; 6] =
    ["TABLE_NAME", "SOCKET_ENDPOINT", "JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE", "MEDIA_ORIGINS"];

/// The configuration of one function. What it is not given is `None` or empty.
#[derive(Clone)]
pub struct Config {
    /// The table.
    pub table: Option<String>,
    /// The HTTPS address of the WebSocket stage, to which pushes are posted.
    pub socket_endpoint: Option<String>,
    /// How tokens are checked.
    pub tokens: Option<TokenConfig>,
    /// Origins that a `media_url` may lie under, such as `https://media.example.com`.
    pub media_origins: Vec<String>,
}

/// What a token must be to be believed.
#[derive(Clone)]
pub struct TokenConfig {
    /// The secret shared with the issuer, for HS256.
    pub secret: String,
    /// The `iss` that tokens must carry.
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry.
    pub audience: Option<String>,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| {
            #[expect(clippy::disallowed_methods, reason = "this is the configuration")]
            std::env::var(name).ok()
        })
    }

    /// Reads variables from `lookup`. An empty variable counts as absent.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let [table, socket_endpoint, secret, issuer, audience, media_origins] =
            VARIABLES.map(|name| lookup(name).filter(|value| !value.is_empty()));
        let tokens = secret.map(|secret| TokenConfig { secret, issuer, audience });
        if tokens.as_ref().is_some_and(|tokens| tokens.secret.len() < MIN_SECRET_BYTES) {
            return Err(Error::internal("JWT_SECRET must be at least 32 bytes long (RFC 7518, section 3.2)"));
        }
        let media_origins = media_origins.unwrap_or_default();
        let media_origins = media_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        Ok(Self { table, socket_endpoint, tokens, media_origins: media_origins.map(str::to_owned).collect() })
    }
}

/// RFC 7518, section 3.2: an HS256 key has at least the size of the hash.
const MIN_SECRET_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Config::from_lookup(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_empty_variable_is_an_absent_one() {
        let config =
            config(&[("TABLE_NAME", "chat"), ("SOCKET_ENDPOINT", ""), ("MEDIA_ORIGINS", "")]).unwrap();
        assert_eq!(config.table.as_deref(), Some("chat"));
        assert!(
            config.socket_endpoint.is_none() && config.tokens.is_none() && config.media_origins.is_empty()
        );
    }

    #[test]
    fn a_short_secret_stops_the_function_at_its_start() {
        assert!(config(&[("JWT_SECRET", &"s".repeat(31))]).is_err());
        assert!(config(&[("JWT_SECRET", &"s".repeat(32))]).unwrap().tokens.is_some());
    }

    #[test]
    fn media_origins_are_separated_by_commas() {
        let config = config(&[("MEDIA_ORIGINS", "https://a.example, https://b.example")]).unwrap();
        assert_eq!(config.media_origins, ["https://a.example", "https://b.example"]);
    }
}
