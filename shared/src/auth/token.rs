//! A token as it is written: three segments (RFC 7515, section 3.1), its header and its claims, nothing of it believed yet.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Longer tokens are refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Longer names of keys are no names, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// What a token may call itself, in any case: a JWT, or an OAuth access token (RFC 9068, section 2.1).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token that has the form of one.
pub(super) struct Token<'a> {
    /// How its header says that it is signed. Which key that may be checked with is decided by the key.
    pub algorithm: Algorithm,
    /// Which of its issuer's keys it says that it is signed with.
    pub key_id: Option<String>,
    /// What it claims.
    pub claims: Map<String, Value>,
    /// What is signed.
    pub message: &'a str,
    /// The signature, in base64.
    pub signature: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token apart. Keys that a header brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are not even read.
    pub fn read(text: &'a str) -> Result<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Error::InvalidToken("too long"));
        }
        let malformed = Error::InvalidToken("malformed");
        let Some((message, signature)) = text.rsplit_once('.') else { return Err(malformed) };
        let Some((header, claims)) = message.split_once('.') else { return Err(malformed) };
        let mut header = object(header)?;
        let key_id = match header.remove("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID_BYTES => Some(id),
            Some(_) => return Err(Error::InvalidToken("malformed key id")),
        };
        check_header(&header)?;
        Ok(Self { algorithm: algorithm(&header)?, key_id, claims: object(claims)?, message, signature })
    }

    /// Whose it claims to be.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm> {
    match header.get("alg").and_then(Value::as_str) {
        Some("HS256") => Ok(Algorithm::HS256),
        Some("RS256") => Ok(Algorithm::RS256),
        Some("ES256") => Ok(Algorithm::ES256),
        _ => Err(Error::InvalidToken("algorithm not allowed")),
    }
}

fn check_header(header: &Map<String, Value>) -> Result<()> {
    // Extensions that must be understood (RFC 7515, section 4.1.11): none is.
    if header.contains_key("crit") {
        return Err(Error::InvalidToken("unknown extension"));
    }
    // The content would be a token in turn (RFC 7519, section 5.2).
    if header.contains_key("cty") {
        return Err(Error::InvalidToken("nested"));
    }
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(kind)) if TYPES.contains(&kind.to_ascii_lowercase().as_str()) => Ok(()),
        Some(_) => Err(Error::InvalidToken("other type")),
    }
}

/// The JSON object in a segment.
fn object(segment: &str) -> Result<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(segment).map_err(|_| Error::InvalidToken("malformed"))?;
    let Unambiguous(object) = serde_json::from_slice(&json).map_err(|_| Error::InvalidToken("malformed"))?;
    Ok(object)
}

/// An object in which every name stands once: of two, one reader would take the first and another the last.
struct Unambiguous(Map<String, Value>);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Unambiguous;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Unambiguous, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = fields.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name stands twice"));
                    }
                }
                Ok(Unambiguous(object))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn read(header: &str, claims: &str) -> Result<(), &'static str> {
        let token = format!("{}.{}.c2ln", segment(header), segment(claims));
        match Token::read(&token) {
            Ok(_) => Ok(()),
            Err(Error::InvalidToken(why)) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_token_is_taken_apart_and_only_three_algorithms_are_known() {
        let header = segment(r#"{"alg":"ES256","kid":"k","typ":"at+JWT","jwk":{"kty":"oct"}}"#);
        let text = format!("{header}.{}.c2ln", segment(r#"{"sub":"ana"}"#));
        let token = Token::read(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref()), (Algorithm::ES256, Some("k")));
        assert_eq!((token.claims["sub"].as_str(), token.signature), (Some("ana"), "c2ln"));
        assert_eq!(format!("{}.c2ln", token.message), text);
        for name in ["none", "None", "", "hs256", "HS512", "ES384", "PS256", "EdDSA", "ＨＳ256"] {
            let header = format!(r#"{{"alg":"{name}"}}"#);
            assert_eq!(read(&header, "{}"), Err("algorithm not allowed"), "{name}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_not_understood_is_refused() {
        assert_eq!(read(r#"{"alg":"HS256","typ":"jwt"}"#, "{}"), Ok(()));
        for (header, claims, why) in [
            (r#"{"alg":"HS256","alg":"HS256"}"#, "{}", "malformed"),
            (r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"a"}"#, "malformed"),
            (r#"{"alg":"HS256"}"#, "[]", "malformed"),
            (r#"{"alg":"HS256"}"#, "{} {}", "malformed"),
            (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", "unknown extension"),
            (r#"{"alg":"HS256","cty":"JWT"}"#, "{}", "nested"),
            (r#"{"alg":"HS256","typ":"dpop+jwt"}"#, "{}", "other type"),
            (r#"{"alg":"HS256","kid":["a"]}"#, "{}", "malformed key id"),
            (r#"{"alg":["HS256"]}"#, "{}", "algorithm not allowed"),
            ("{}", "{}", "algorithm not allowed"),
        ] {
            assert_eq!(read(header, claims), Err(why), "{header} {claims}");
        }
        let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(MAX_KEY_ID_BYTES + 1));
        assert_eq!(read(&long, "{}"), Err("malformed key id"));
    }

    #[test]
    fn only_three_segments_of_canonical_base64_are_a_token() {
        let (header, claims) = (segment(r#"{"alg":"HS256"}"#), segment("{}"));
        assert!(Token::read(&format!("{header}.{claims}.")).is_ok(), "the signature is not looked at here");
        for text in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.c.d"),
            format!("{header}=.{claims}.c2ln"),
            format!(" {header}.{claims}.c2ln"),
            format!("{header}.{claims}\n.c2ln"),
            format!("{header}.{claims}.{}", "a".repeat(MAX_TOKEN_BYTES)),
        ] {
            assert!(Token::read(&text).is_err(), "{text}");
        }
    }
}
