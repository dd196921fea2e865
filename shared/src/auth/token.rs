//! Parses tokens in their compact form of three segments (RFC 7515, section 3.1). Nothing is verified here.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The maximum length of a token, in bytes. Longer ones are rejected unparsed.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The maximum length of a key id, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// The accepted values of `typ`: a JWT or an OAuth access token (RFC 9068, section 2.1).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// The part of a media type that `typ` may omit (RFC 7515, section 4.1.9).
const TYPE_PREFIX: &str = "application/";

/// A parsed token. Its signature is not yet verified.
pub(super) struct Token<'a> {
    /// The algorithm in the header. Only keys for this algorithm can verify the token.
    pub algorithm: Algorithm,
    /// The `kid` in the header: the key of the issuer.
    pub key_id: Option<String>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The signed part: the header and the claims, in base64url.
    pub message: &'a str,
    /// The signature, in base64url.
    pub signature: &'a str,
}

impl<'a> Token<'a> {
    /// Parses a token. Keys that the header contains or refers to (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
    pub fn read(text: &'a str) -> Result<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Error::InvalidToken("too long"));
        }
        let malformed = Error::InvalidToken("malformed");
        let Some((message, signature)) = text.rsplit_once('.') else { return Err(malformed) };
        let Some((header, claims)) = message.split_once('.') else { return Err(malformed) };
        let mut header = decode_object(header)?;
        let key_id = match header.remove("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID_BYTES => Some(id),
            Some(_) => return Err(Error::InvalidToken("malformed key id")),
        };
        check_header(&header)?;
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id,
            claims: decode_object(claims)?,
            message,
            signature,
        })
    }

    /// The `iss` claim.
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
    // Critical extensions (RFC 7515, section 4.1.11): none is supported.
    if header.contains_key("crit") {
        return Err(Error::InvalidToken("unsupported extension"));
    }
    // The payload would be another token (RFC 7519, section 5.2).
    if header.contains_key("cty") {
        return Err(Error::InvalidToken("nested token"));
    }
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(kind)) if is_accepted_type(kind) => Ok(()),
        Some(_) => Err(Error::InvalidToken("unsupported type")),
    }
}

fn is_accepted_type(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    TYPES.contains(&kind.strip_prefix(TYPE_PREFIX).unwrap_or(&kind))
}

/// Decodes the JSON object in a segment.
fn decode_object(segment: &str) -> Result<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(segment).map_err(|_| Error::InvalidToken("malformed"))?;
    let Unambiguous(object) = serde_json::from_slice(&json).map_err(|_| Error::InvalidToken("malformed"))?;
    Ok(object)
}

/// An object without duplicate names. Parsers differ in whether the first or the last duplicate counts.
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
                        return Err(de::Error::custom("duplicate name"));
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
            Err(Error::InvalidToken(reason)) => Err(reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_token_is_parsed_and_only_three_algorithms_are_accepted() {
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
    fn a_type_is_a_media_type_in_either_case_and_its_prefix_is_optional() {
        let with_type = |kind: &str| read(&format!(r#"{{"alg":"HS256","typ":"{kind}"}}"#), "{}");
        for kind in ["JWT", "jwt", "at+JWT", "application/jwt", "application/at+jwt", "Application/AT+JWT"] {
            assert_eq!(with_type(kind), Ok(()), "{kind}");
        }
        for kind in [
            "",
            "application/",
            "application/json",
            "application/dpop+jwt",
            "application/application/jwt",
            "text/jwt",
            "application/at+jwt; charset=utf-8",
            "/jwt",
            " jwt",
        ] {
            assert_eq!(with_type(kind), Err("unsupported type"), "{kind}");
        }
    }

    #[test]
    fn ambiguous_or_unsupported_tokens_are_rejected() {
        assert_eq!(read(r#"{"alg":"HS256","typ":"jwt"}"#, "{}"), Ok(()));
        for (header, claims, reason) in [
            (r#"{"alg":"HS256","alg":"HS256"}"#, "{}", "malformed"),
            (r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"a"}"#, "malformed"),
            (r#"{"alg":"HS256"}"#, "[]", "malformed"),
            (r#"{"alg":"HS256"}"#, "{} {}", "malformed"),
            (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", "unsupported extension"),
            (r#"{"alg":"HS256","cty":"JWT"}"#, "{}", "nested token"),
            (r#"{"alg":"HS256","typ":"dpop+jwt"}"#, "{}", "unsupported type"),
            (r#"{"alg":"HS256","kid":["a"]}"#, "{}", "malformed key id"),
            (r#"{"alg":["HS256"]}"#, "{}", "algorithm not allowed"),
            ("{}", "{}", "algorithm not allowed"),
        ] {
            assert_eq!(read(header, claims), Err(reason), "{header} {claims}");
        }
        let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(MAX_KEY_ID_BYTES + 1));
        assert_eq!(read(&long, "{}"), Err("malformed key id"));
    }

    #[test]
    fn a_token_has_exactly_three_segments_of_canonical_base64() {
        let (header, claims) = (segment(r#"{"alg":"HS256"}"#), segment("{}"));
        assert!(Token::read(&format!("{header}.{claims}.")).is_ok(), "the signature is not checked here");
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
