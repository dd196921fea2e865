//! The functions' configuration: the only place that reads environment variables.

mod rate_limits;

pub use rate_limits::RateLimits;

use crate::{
    auth::IssuerConfig,
    error::{Error, Result},
};

/// Every variable that a function may read, as `template.yaml` spells them.
pub const VARIABLES: [&str; 8] = [
    "TABLE_NAME",
    "SOCKET_ENDPOINT",
    "JWT_SECRET",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_ISSUERS",
    "MEDIA_ORIGINS",
    "RATE_LIMITS",
];

/// The configuration of one function. What it is not given is `None` or empty.
#[derive(Clone)]
pub struct Config {
    /// The table.
    pub table: Option<String>,
    /// The HTTPS address of the WebSocket stage, to which pushes are posted.
    pub socket_endpoint: Option<String>,
    /// Whose tokens are believed.
    pub tokens: TokenConfig,
    /// Origins that a `media_url` may lie under, such as `https://media.example.com`.
    pub media_origins: Vec<String>,
    /// How often a person may do what.
    pub limits: RateLimits,
}

/// Whose tokens are believed: of one issuer by a shared secret, of others by the keys that they publish.
#[derive(Clone, Default)]
pub struct TokenConfig {
    /// The issuer that we share a secret with.
    pub secret: Option<SecretConfig>,
    /// The issuers that publish their keys.
    pub issuers: Vec<IssuerConfig>,
}

/// What a token signed with the shared secret must be to be believed.
#[derive(Clone)]
pub struct SecretConfig {
    /// The secret shared with the issuer, for HS256.
    pub secret: String,
    /// The `iss` that tokens must carry.
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry.
    pub audience: Option<String>,
}

impl TokenConfig {
    /// Whether nobody's tokens are believed.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.issuers.is_empty()
    }
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
        let [table, socket_endpoint, secret, issuer, audience, issuers, media_origins, limits] =
            VARIABLES.map(|name| lookup(name).filter(|value| !value.is_empty()));
        let secret = secret.map(|secret| SecretConfig { secret, issuer, audience });
        if secret.as_ref().is_some_and(|config| config.secret.len() < MIN_SECRET_BYTES) {
            return Err(Error::internal("JWT_SECRET must be at least 32 bytes long (RFC 7518, section 3.2)"));
        }
        let issuers = issuers.as_deref().map_or(Ok(Vec::new()), IssuerConfig::read_list)?;
        let tokens = TokenConfig { secret, issuers };
        let media_origins = media_origins.unwrap_or_default();
        let media_origins = media_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let media_origins = media_origins.map(str::to_owned).collect();
        let limits = limits.map(|limits| limits.parse()).transpose()?.unwrap_or_default();
        Ok(Self { table, socket_endpoint, tokens, media_origins, limits })
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
        let config = config(&[
            ("TABLE_NAME", "chat"),
            ("SOCKET_ENDPOINT", ""),
            ("MEDIA_ORIGINS", ""),
            ("JWT_ISSUERS", ""),
        ])
        .unwrap();
        assert_eq!(config.table.as_deref(), Some("chat"));
        assert!(
            config.socket_endpoint.is_none() && config.tokens.is_empty() && config.media_origins.is_empty()
        );
    }

    #[test]
    fn a_short_secret_stops_the_function_at_its_start() {
        assert!(config(&[("JWT_SECRET", &"s".repeat(31))]).is_err());
        assert!(!config(&[("JWT_SECRET", &"s".repeat(32))]).unwrap().tokens.is_empty());
    }

    #[test]
    fn issuers_that_will_not_do_stop_the_function_at_its_start() {
        let issuers =
            r#"[{"issuer":"https://a.example","jwks_url":"https://a.example/keys","audience":"us"}]"#;
        let tokens = config(&[("JWT_ISSUERS", issuers)]).unwrap().tokens;
        assert!(tokens.secret.is_none() && tokens.issuers.len() == 1);
        for wrong in ["https://a.example", "{}", r#"[{"issuer":"https://a.example"}]"#] {
            let error = config(&[("JWT_ISSUERS", wrong)]).err().unwrap();
            assert!(error.to_string().contains("JWT_ISSUERS: "), "{error}");
        }
    }

    #[test]
    fn media_origins_are_separated_by_commas() {
        let config = config(&[("MEDIA_ORIGINS", "https://a.example, https://b.example")]).unwrap();
        assert_eq!(config.media_origins, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn limits_that_cannot_be_stop_the_function_at_its_start() {
        assert!(config(&[("RATE_LIMITS", "messages=many")]).is_err());
        assert_eq!(config(&[("RATE_LIMITS", "")]).unwrap().limits, RateLimits::default());
    }
}
