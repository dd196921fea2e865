//! The configuration of issuers that publish their keys: accepted tokens, and whether they name users.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::error::{Error, Result};

/// An issuer that publishes its keys at a URL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The exact `iss` of its tokens. User ids are derived from it: a change gives its users new accounts.
    pub issuer: String,
    /// Other values of `iss` with the same users. Google has one.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The URL of its keys: `https`, or `http` on this machine.
    pub jwks_url: String,
    /// The accepted audiences; `*` accepts any.
    audience: OneOrMore,
    /// The claims with the audience: the first one that is present counts. `aud` by default.
    #[serde(default)]
    audience_claims: Vec<String>,
    /// The required claims, with the accepted values of each.
    #[serde(default)]
    require: BTreeMap<String, OneOrMore>,
    /// Whether a UUID in `user_id` or `sub` is the id of the user. Such an issuer can name any user.
    #[serde(default)]
    pub names_users: bool,
}

/// A text or a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

impl IssuerConfig {
    /// Parses and validates a JSON array of issuers.
    pub fn read_list(json: &str) -> Result<Vec<Self>> {
        let invalid = |reason: String| Error::internal(format!("JWT_ISSUERS: {reason}"));
        let issuers: Vec<Self> = serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
        let mut names = Vec::new();
        for issuer in &issuers {
            issuer.check().map_err(|reason| invalid(format!("{}: {reason}", issuer.issuer)))?;
            names.extend(issuer.names());
        }
        names.sort_unstable();
        if let Some([name, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(invalid(format!("{name} is listed twice")));
        }
        Ok(issuers)
    }

    fn check(&self) -> Result<(), &'static str> {
        let lists = [self.audience.texts()].into_iter().chain(self.require.values().map(OneOrMore::texts));
        if lists.into_iter().any(<[_]>::is_empty) {
            return Err("an empty list accepts no token");
        }
        let texts = self.names().chain(self.audience.texts().iter().map(String::as_str));
        if texts.chain(self.audience_claims.iter().map(String::as_str)).any(str::is_empty) {
            return Err("names must not be empty");
        }
        let url = Url::parse(&self.jwks_url).map_err(|_| "jwks_url must be a URL")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("jwks_url must not have a user, a password or a fragment");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if url.host().is_some_and(|host| is_this_machine(&host)) => Ok(()),
            _ => Err("jwks_url must be https"),
        }
    }

    /// All values of `iss`.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().chain([&self.issuer]).map(String::as_str)
    }

    /// Whether tokens with this `iss` are from this issuer.
    pub fn has_name(&self, iss: &str) -> bool {
        self.names().any(|name| name == iss)
    }

    /// Checks the audience and the required claims of a token.
    pub fn check_claims(&self, claims: &Map<String, Value>) -> Result<()> {
        let has_any = |claim: Option<&Value>, accepted: &[String]| {
            texts(claim).any(|text| accepted.iter().any(|accepted| accepted == text))
        };
        let audience = match self.audience_claims.as_slice() {
            [] => claims.get("aud"),
            names => names.iter().find_map(|name| claims.get(name)),
        };
        let accepted = self.audience.texts();
        if accepted != ["*"] && !has_any(audience, accepted) {
            return Err(Error::InvalidToken("wrong audience"));
        }
        let lacks = |(name, accepted): (&String, &OneOrMore)| !has_any(claims.get(name), accepted.texts());
        if self.require.iter().any(lacks) {
            return Err(Error::InvalidToken("missing required claim"));
        }
        Ok(())
    }
}

/// The texts of a claim that is a text or a list of texts (RFC 7519, section 4.1.3).
pub(super) fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let values = match claim {
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(Value::as_str)
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error_of(issuers: &Value) -> String {
        IssuerConfig::read_list(&issuers.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn an_invalid_list_is_rejected_with_the_reason() {
        let issuer = |change: &dyn Fn(&mut Value)| {
            let mut issuer = json!({"issuer": "https://a.example", "jwks_url": "https://a.example/keys", "audience": "us"});
            change(&mut issuer);
            issuer
        };
        let valid = issuer(&|_| {});
        assert_eq!(IssuerConfig::read_list(&json!([valid]).to_string()).unwrap().len(), 1);
        assert_eq!(IssuerConfig::read_list("[]").unwrap().len(), 0);
        for url in ["http://a.example/keys", "http://127.0.0.1.a.example/keys", "file:///keys", "keys"] {
            assert!(
                error_of(&json!([issuer(&|issuer| issuer["jwks_url"] = url.into())])).contains("jwks_url")
            );
        }
        for url in ["http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]/keys"] {
            let local = json!([issuer(&|issuer| issuer["jwks_url"] = url.into())]);
            assert!(IssuerConfig::read_list(&local.to_string()).is_ok(), "{url}");
        }
        assert!(
            error_of(&json!([issuer(&|issuer| drop(issuer["audience"].take()))])).contains("JWT_ISSUERS")
        );
        assert!(error_of(&json!([issuer(&|issuer| issuer["audience"] = json!([]))])).contains("empty list"));
        assert!(error_of(&json!([issuer(&|issuer| issuer["audience"] = "".into())])).contains("empty"));
        assert!(
            error_of(&json!([issuer(&|issuer| issuer["audiences"] = "us".into())])).contains("audiences")
        );
        assert!(error_of(&json!([valid, valid])).contains("https://a.example is listed twice"));
        let alias = issuer(&|issuer| {
            issuer["issuer"] = "https://b.example".into();
            issuer["aliases"] = json!(["https://a.example"]);
        });
        assert!(error_of(&json!([valid, alias])).contains("twice"));
        assert!(error_of(&json!({})).contains("JWT_ISSUERS"));
    }

    #[test]
    fn a_token_needs_an_accepted_audience_and_all_required_claims() {
        let cognito = json!([{"issuer": "i", "jwks_url": "https://i.example", "audience": ["app", "web"],
            "audience_claims": ["aud", "client_id"], "require": {"token_use": ["id", "access"]}}]);
        let cognito = &IssuerConfig::read_list(&cognito.to_string()).unwrap()[0];
        let check = |claims: Value| cognito.check_claims(claims.as_object().unwrap()).is_ok();
        assert!(check(json!({"aud": "app", "token_use": "id"})));
        assert!(check(json!({"client_id": "web", "token_use": "access"})));
        assert!(check(json!({"aud": ["shop", "app"], "token_use": "id"})));
        assert!(
            !check(json!({"aud": "shop", "client_id": "app", "token_use": "id"})),
            "the first audience claim counts"
        );
        assert!(!check(json!({"aud": "app"})) && !check(json!({"aud": "app", "token_use": "refresh"})));
        assert!(!check(json!({"token_use": "id"})) && !check(json!({"aud": {"app": 1}, "token_use": "id"})));
        let any_audience = json!([{"issuer": "i", "jwks_url": "https://i.example", "audience": "*"}]);
        let any_audience = &IssuerConfig::read_list(&any_audience.to_string()).unwrap()[0];
        assert!(any_audience.check_claims(&Map::new()).is_ok());
    }
}
