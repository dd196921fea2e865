//! The configuration of the functions. The only module that reads environment variables.

mod rate_limits;

use const_format::formatcp;

pub use rate_limits::RateLimits;

use crate::{
    auth::IssuerConfig,
    error::{Error, Result},
};

/// All variables that a function may read. `template.yaml` sets them.
pub const VARIABLES: [&str; 9] = [
    "TABLE_NAME",
    "SOCKET_ENDPOINT",
    "JWT_SECRET",
    "JWT_NEXT_SECRET",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_ISSUERS",
    "MEDIA_ORIGINS",
    "RATE_LIMITS",
];

/// The configuration of a function. A missing variable is `None`, empty or its default.
#[derive(Clone)]
pub struct Config {
    /// The name of the DynamoDB table.
    pub table: Option<String>,
    /// The HTTPS URL of the WebSocket stage, to which frames are posted.
    pub socket_endpoint: Option<String>,
    /// The accepted tokens.
    pub tokens: TokenConfig,
    /// The origins that a `media_url` may start with, such as `https://media.example.com`.
    pub media_origins: Vec<String>,
    /// The rate limits per user.
    pub rate_limits: RateLimits,
}

/// What Lambda's logging configuration says to a function.
pub struct LogConfig {
    /// Whether lines are JSON.
    pub is_json: bool,
    /// The lowest level that is logged.
    pub level: Option<String>,
}

impl LogConfig {
    /// Reads the variables that Lambda sets.
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the configuration")]
        let variable = |name: &str| std::env::var(name).ok();
        let format = variable("AWS_LAMBDA_LOG_FORMAT");
        let is_json = format.is_some_and(|format| format.eq_ignore_ascii_case("json"));
        Self { is_json, level: variable("AWS_LAMBDA_LOG_LEVEL") }
    }
}

/// The accepted issuers of tokens: one that shares secrets, and any number that publish their keys.
#[derive(Clone, Default)]
pub struct TokenConfig {
    /// The issuer that shares secrets.
    pub secret: Option<SecretConfig>,
    /// The issuers that publish their keys.
    pub issuers: Vec<IssuerConfig>,
}

/// The requirements for tokens that are signed with a shared secret.
#[derive(Clone)]
pub struct SecretConfig {
    /// The HS256 secrets, each at least 32 bytes. During a rotation there are two, in any order.
    pub secrets: Vec<String>,
    /// The required `iss`; `None` accepts any that is not another configured issuer.
    pub issuer: Option<String>,
    /// The required `aud`; `None` accepts any.
    pub audience: Option<String>,
}

impl TokenConfig {
    /// Whether no tokens are accepted.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.issuers.is_empty()
    }
}

impl Config {
    /// Reads the environment of the process.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| {
            #[expect(clippy::disallowed_methods, reason = "this is the configuration")]
            std::env::var(name).ok()
        })
    }

    /// Reads variables from `lookup`. An empty variable counts as absent.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let [
            table,
            socket_endpoint,
            secret,
            next_secret,
            issuer,
            audience,
            issuers,
            media_origins,
            rate_limits,
        ] = VARIABLES.map(|name| lookup(name).filter(|value| !value.is_empty()));
        let secrets: Vec<String> = secret.into_iter().chain(next_secret).collect();
        if secrets.iter().any(|secret| secret.len() < MIN_SECRET_BYTES) {
            return Err(Error::internal(formatcp!(
                "JWT_SECRET and JWT_NEXT_SECRET must be at least {MIN_SECRET_BYTES} bytes long \
                 (RFC 7518, section 3.2)"
            )));
        }
        let secret = (!secrets.is_empty()).then_some(SecretConfig { secrets, issuer, audience });
        let issuers = issuers.as_deref().map_or(Ok(Vec::new()), IssuerConfig::read_list)?;
        let tokens = TokenConfig { secret, issuers };
        let media_origins = media_origins.unwrap_or_default();
        let media_origins = media_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let media_origins = media_origins.map(str::to_owned).collect();
        let rate_limits = rate_limits.map(|limits| limits.parse()).transpose()?.unwrap_or_default();
        Ok(Self { table, socket_endpoint, tokens, media_origins, rate_limits })
    }
}

/// The minimum length of an HS256 key: the size of the hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config> {
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
        Config::from_lookup(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
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
    fn each_secret_has_at_least_32_bytes_and_an_empty_one_counts_as_absent() {
        let (short, long, other) = ("s".repeat(31), "s".repeat(32), "t".repeat(32));
        let secrets = |secret: &str, next: &str| {
            let config = config(&[("JWT_SECRET", secret), ("JWT_NEXT_SECRET", next)]).ok()?;
            Some(config.tokens.secret.map_or(Vec::new(), |config| config.secrets))
        };
        for (secret, next) in [(short.as_str(), ""), ("", &short), (&short, &long), (&long, &short)] {
            assert_eq!(secrets(secret, next), None, "{secret} {next}");
        }
        assert_eq!(secrets("", ""), Some(Vec::new()));
        assert_eq!(secrets(&long, ""), Some(vec![long.clone()]));
        assert_eq!(secrets("", &long), Some(vec![long.clone()]));
        assert_eq!(secrets(&long, &other), Some(vec![long, other]));
    }

    #[test]
    fn invalid_issuers_are_rejected_with_the_name_of_the_variable() {
        let issuers =
            r#"[{"issuer":"https://a.example","jwks_url":"https://a.example/keys","audience":"us"}]"#;
        let tokens = config(&[("JWT_ISSUERS", issuers)]).unwrap().tokens;
        assert!(tokens.secret.is_none() && tokens.issuers.len() == 1);
        for invalid in ["https://a.example", "{}", r#"[{"issuer":"https://a.example"}]"#] {
            let error = config(&[("JWT_ISSUERS", invalid)]).err().unwrap();
            assert!(error.to_string().contains("JWT_ISSUERS: "), "{error}");
        }
    }

    #[test]
    fn media_origins_are_separated_by_commas() {
        let config = config(&[("MEDIA_ORIGINS", "https://a.example, https://b.example")]).unwrap();
        assert_eq!(config.media_origins, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn invalid_rate_limits_are_rejected() {
        assert!(config(&[("RATE_LIMITS", "messages=many")]).is_err());
        assert_eq!(config(&[("RATE_LIMITS", "")]).unwrap().rate_limits, RateLimits::default());
    }
}
