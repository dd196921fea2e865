//! Issuers that publish their keys, as the deployer configures them: which tokens of theirs are for us, and what they may
//! decide.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::error::{Error, Result};

/// An issuer whose keys are found at a URL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The `iss` of its tokens, exactly. The ids of its people are derived from it: changing it makes them strangers.
    pub issuer: String,
    /// Other spellings of its `iss`, as Google has one. Its people are the same under each.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where its keys are: `https`, or `http` on this machine.
    pub jwks_url: String,
    /// For whom its tokens must be: any of these, or anyone at all if it is `*`.
    audience: OneOrMore,
    /// Where a token says for whom it is: in the first of these claims that it has. `aud` unless configured.
    #[serde(default)]
    audience_claims: Vec<String>,
    /// Claims that its tokens must have, with the values that each may have.
    #[serde(default)]
    require: BTreeMap<String, OneOrMore>,
    /// Whether the UUID in its `user_id` or `sub` is the person's id here. Such an issuer can name anybody.
    #[serde(default)]
    pub names_users: bool,
}

/// One text, or a list of them.
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
    /// Reads a JSON array of issuers, and says what is wrong with it.
    pub fn read_list(json: &str) -> Result<Vec<Self>> {
        let wrong = |why: String| Error::internal(format!("JWT_ISSUERS: {why}"));
        let issuers: Vec<Self> = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let mut names = Vec::new();
        for issuer in &issuers {
            issuer.check().map_err(|why| wrong(format!("{}: {why}", issuer.issuer)))?;
            names.extend(issuer.names());
        }
        names.sort_unstable();
        if let Some([twice, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("{twice} stands twice")));
        }
        Ok(issuers)
    }

    fn check(&self) -> Result<(), &'static str> {
        let lists = [self.audience.texts()].into_iter().chain(self.require.values().map(OneOrMore::texts));
        if lists.into_iter().any(<[_]>::is_empty) {
            return Err("an empty list lets nobody in");
        }
        let texts = self.names().chain(self.audience.texts().iter().map(String::as_str));
        if texts.chain(self.audience_claims.iter().map(String::as_str)).any(str::is_empty) {
            return Err("names must not be empty");
        }
        let url = Url::parse(&self.jwks_url).map_err(|_| "jwks_url is no URL")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("jwks_url must not have a user, a password or a fragment");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if url.host().is_some_and(|host| is_this_machine(&host)) => Ok(()),
            _ => Err("jwks_url must be https"),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().chain([&self.issuer]).map(String::as_str)
    }

    /// Whether a token with this `iss` is one of its tokens.
    pub fn is_named(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Makes sure that a token is for us, and of a kind that is wanted.
    pub fn check_purpose(&self, claims: &Map<String, Value>) -> Result<()> {
        let has_any = |claim: Option<&Value>, wanted: &[String]| {
            texts(claim).any(|text| wanted.iter().any(|wanted| wanted == text))
        };
        let audience = match self.audience_claims.as_slice() {
            [] => claims.get("aud"),
            names => names.iter().find_map(|name| claims.get(name)),
        };
        let wanted = self.audience.texts();
        if wanted != ["*"] && !has_any(audience, wanted) {
            return Err(Error::InvalidToken("other audience"));
        }
        let lacks = |(name, wanted): (&String, &OneOrMore)| !has_any(claims.get(name), wanted.texts());
        if self.require.iter().any(lacks) {
            return Err(Error::InvalidToken("other kind of token"));
        }
        Ok(())
    }
}

/// The texts of a claim that is one, or a list of them (RFC 7519, section 4.1.3).
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

    fn why(issuers: &Value) -> String {
        IssuerConfig::read_list(&issuers.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_list_that_will_not_do_is_refused_with_its_reason() {
        let issuer = |change: &dyn Fn(&mut Value)| {
            let mut issuer = json!({"issuer": "https://a.example", "jwks_url": "https://a.example/keys", "audience": "us"});
            change(&mut issuer);
            issuer
        };
        let good = issuer(&|_| {});
        assert_eq!(IssuerConfig::read_list(&json!([good]).to_string()).unwrap().len(), 1);
        assert_eq!(IssuerConfig::read_list("[]").unwrap().len(), 0);
        for url in ["http://a.example/keys", "http://127.0.0.1.a.example/keys", "file:///keys", "keys"] {
            assert!(why(&json!([issuer(&|issuer| issuer["jwks_url"] = url.into())])).contains("jwks_url"));
        }
        for url in ["http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]/keys"] {
            let here = json!([issuer(&|issuer| issuer["jwks_url"] = url.into())]);
            assert!(IssuerConfig::read_list(&here.to_string()).is_ok(), "{url}");
        }
        assert!(why(&json!([issuer(&|issuer| drop(issuer["audience"].take()))])).contains("JWT_ISSUERS"));
        assert!(why(&json!([issuer(&|issuer| issuer["audience"] = json!([]))])).contains("empty list"));
        assert!(why(&json!([issuer(&|issuer| issuer["audience"] = "".into())])).contains("empty"));
        assert!(why(&json!([issuer(&|issuer| issuer["audiences"] = "us".into())])).contains("audiences"));
        assert!(why(&json!([good, good])).contains("https://a.example stands twice"));
        let alias = issuer(&|issuer| {
            issuer["issuer"] = "https://b.example".into();
            issuer["aliases"] = json!(["https://a.example"]);
        });
        assert!(why(&json!([good, alias])).contains("twice"));
        assert!(why(&json!({})).contains("JWT_ISSUERS"));
    }

    #[test]
    fn a_token_is_for_us_if_its_audience_and_all_required_claims_say_so() {
        let cognito = json!([{"issuer": "i", "jwks_url": "https://i.example", "audience": ["app", "web"],
            "audience_claims": ["aud", "client_id"], "require": {"token_use": ["id", "access"]}}]);
        let cognito = &IssuerConfig::read_list(&cognito.to_string()).unwrap()[0];
        let check = |claims: Value| cognito.check_purpose(claims.as_object().unwrap()).is_ok();
        assert!(check(json!({"aud": "app", "token_use": "id"})));
        assert!(check(json!({"client_id": "web", "token_use": "access"})));
        assert!(check(json!({"aud": ["shop", "app"], "token_use": "id"})));
        assert!(
            !check(json!({"aud": "shop", "client_id": "app", "token_use": "id"})),
            "the first one counts"
        );
        assert!(!check(json!({"aud": "app"})) && !check(json!({"aud": "app", "token_use": "refresh"})));
        assert!(!check(json!({"token_use": "id"})) && !check(json!({"aud": {"app": 1}, "token_use": "id"})));
        let anyone = json!([{"issuer": "i", "jwks_url": "https://i.example", "audience": "*"}]);
        let anyone = &IssuerConfig::read_list(&anyone.to_string()).unwrap()[0];
        assert!(anyone.check_purpose(&Map::new()).is_ok());
    }
}
