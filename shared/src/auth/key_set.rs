//! The published keys of an issuer (RFC 7517) that can verify tokens.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Decodes the numbers of a key. RFC 7518, section 2, forbids the padding, but some issuers publish it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The maximum number of keys of a set. Issuers have two or three.
const MAX_KEYS: usize = 64;

/// The accepted length of an RSA key, in bits. The minimum is from RFC 7518, section 3.3; the maximum bounds
/// the time of a verification.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The length of a P-256 coordinate, in bytes.
const P256_BYTES: usize = 32;

/// A set of keys, each for one algorithm.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

impl KeySet {
    /// Parses a set. Skips keys that are malformed, weak or for another purpose. `None` if no key remains.
    pub fn read(json: &[u8]) -> Option<Self> {
        // The keys are parsed one by one: text or numbers that JSON libraries reject affect only their key.
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        let document: Document = serde_json::from_slice(json).ok()?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(usable_key).take(MAX_KEYS).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key with this id and for this algorithm. Without an id, the only key for the algorithm.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut candidates = self.0.iter().filter(|key| key.algorithm == algorithm);
        let key = match id {
            Some(id) => candidates.find(|key| key.id.as_deref() == Some(id)),
            None => candidates.next().filter(|_| candidates.next().is_none()),
        };
        key.map(|key| &key.public)
    }
}

/// A published key, if it can verify tokens. The algorithm follows from the key's type.
fn usable_key(json: &RawValue) -> Option<Key> {
    let jwk: Jwk = serde_json::from_str(json.get()).ok()?;
    let common = &jwk.common;
    let is_for_signatures =
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let can_verify = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let (algorithm, expected_name, public) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            (Algorithm::RS256, KeyAlgorithm::RS256, rsa_key(&number(&rsa.n)?, &number(&rsa.e)?)?)
        }
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256, p256_key(&number(&point.x)?, &number(&point.y)?)?)
        }
        _ => return None,
    };
    let is_usable =
        is_for_signatures && can_verify && common.key_algorithm.is_none_or(|name| name == expected_name);
    is_usable.then(|| Key { id: common.key_id.clone(), algorithm, public })
}

/// A big-endian number without leading zeros: some issuers publish the sign byte of their library's numbers.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    RSA_BITS.contains(&bits).then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

/// The key of a point in its uncompressed form (SEC 1, section 2.3.3), with coordinates of full length.
fn p256_key(x: &[u8], y: &[u8]) -> Option<DecodingKey> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        point.resize(point.len() + P256_BYTES.checked_sub(coordinate.len())?, 0);
        point.extend_from_slice(coordinate);
    }
    Some(DecodingKey::from_ec_der(&point))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD};
    use jsonwebtoken::crypto;
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::key_pair::KeyPair;

    fn rsa(bits: usize) -> Value {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        json!({"kty": "RSA", "kid": "r", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB"})
    }

    fn ec() -> Value {
        let half = URL_SAFE_NO_PAD.encode([1; 32]);
        json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": half, "y": half})
    }

    fn with(mut key: Value, name: &str, value: impl Into<Value>) -> Value {
        key[name] = value.into();
        key
    }

    fn read(keys: &[Value]) -> Option<KeySet> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_found_only_for_the_algorithm_of_its_type() {
        let set = read(&[rsa(2048), ec()]).unwrap();
        assert!(set.find(Some("r"), Algorithm::RS256).is_some());
        assert!(set.find(Some("e"), Algorithm::ES256).is_some());
        for algorithm in [Algorithm::ES256, Algorithm::HS256, Algorithm::RS512, Algorithm::PS256] {
            assert!(set.find(Some("r"), algorithm).is_none(), "{algorithm:?}");
        }
        assert!(set.find(Some("e"), Algorithm::RS256).is_none());
        for id in ["", "x", "R", "r ", "../r", "r\0"] {
            assert!(set.find(Some(id), Algorithm::RS256).is_none(), "{id}");
        }
    }

    #[test]
    fn a_token_without_a_key_id_needs_an_unambiguous_key() {
        let set = read(&[rsa(2048), ec(), with(ec(), "kid", "f")]).unwrap();
        assert!(set.find(None, Algorithm::RS256).is_some());
        assert!(set.find(None, Algorithm::ES256).is_none());
    }

    #[test]
    fn unusable_keys_are_skipped_and_the_others_are_kept() {
        let long = URL_SAFE_NO_PAD.encode([1; 33]);
        for unusable in [
            json!(7),
            json!({"kid": "r"}),
            json!({"kty": "oct", "kid": "r", "k": "c2VjcmV0"}),
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "r", "x": long}),
            rsa(1024),
            rsa(2040),
            rsa(8200),
            with(rsa(2048), "n", "not base64!"),
            with(rsa(2048), "n", "AAAA"),
            with(rsa(2048), "e", "AA=="),
            with(rsa(2048), "use", "enc"),
            with(rsa(2048), "alg", "RS512"),
            with(rsa(2048), "alg", "HS256"),
            with(rsa(2048), "alg", "something"),
            with(rsa(2048), "key_ops", json!(["encrypt"])),
            with(ec(), "crv", "P-384"),
            with(ec(), "crv", "secp256k1"),
            with(ec(), "x", long),
            with(ec(), "y", ""),
            with(ec(), "alg", "RS256"),
        ] {
            assert!(read(std::slice::from_ref(&unusable)).is_none(), "{unusable}");
            let set = read(&[unusable, with(rsa(2048), "kid", "good")]).unwrap();
            assert!(set.find(Some("good"), Algorithm::RS256).is_some());
        }
        for usable in
            [with(rsa(8192), "use", "sig"), with(ec(), "alg", "ES256"), with(rsa(2048), "alg", "RS256")]
        {
            assert!(read(std::slice::from_ref(&usable)).is_some(), "{usable}");
        }
        for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>"] {
            assert!(KeySet::read(text.as_bytes()).is_none(), "{text}");
        }
    }

    /// Every encoding of a number that issuers publish: padded, and with leading zeros.
    fn encodings(number: &[u8]) -> Vec<String> {
        let with_zeros = |count: usize| [vec![0; count], number.to_vec()].concat();
        let all = (0..=3).map(with_zeros);
        all.flat_map(|bytes| [URL_SAFE_NO_PAD.encode(&bytes), PADDED.encode(&bytes)]).collect()
    }

    #[test]
    fn numbers_may_be_padded_and_begin_with_zeros() {
        for (pair, names) in [(KeyPair::rs256("k"), ["n", "e"]), (KeyPair::es256("k"), ["x", "y"])] {
            let token = pair.sign(&json!({"sub": "ana"}));
            let (message, signature) = token.rsplit_once('.').unwrap();
            for name in names {
                let published = pair.public();
                let number = URL_SAFE_NO_PAD.decode(published[name].as_str().unwrap()).unwrap();
                for text in encodings(&number) {
                    let set = read(&[with(published.clone(), name, text.as_str())]).unwrap();
                    let key = set.find(Some("k"), pair.algorithm).unwrap();
                    let is_valid = crypto::verify(signature, message.as_bytes(), key, pair.algorithm);
                    assert!(is_valid.unwrap(), "{name} {text}");
                }
            }
        }
    }

    #[test]
    fn a_coordinate_without_its_leading_zeros_is_extended() {
        // About one in 256 coordinates begins with a zero byte.
        let begins_with_zero = |pair: &KeyPair| pair.public()["x"].as_str().unwrap().starts_with("AA");
        let pair = std::iter::repeat_with(|| KeyPair::es256("k")).find(begins_with_zero).unwrap();
        let x = URL_SAFE_NO_PAD.decode(pair.public()["x"].as_str().unwrap()).unwrap();
        let set = read(&[with(pair.public(), "x", URL_SAFE_NO_PAD.encode(&x[1..]))]).unwrap();
        let token = pair.sign(&json!({"sub": "ana"}));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let key = set.find(Some("k"), Algorithm::ES256).unwrap();
        assert!(crypto::verify(signature, message.as_bytes(), key, Algorithm::ES256).unwrap());
    }

    #[test]
    fn a_key_that_cannot_be_parsed_does_not_drop_the_others() {
        let good = with(rsa(2048), "kid", "good");
        for other in [
            "null",
            "7",
            "1e999",
            "[]",
            r#""key""#,
            r#"{"kty":"RSA","kid":"\ud800","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA","kid":"r","n":"AQAB","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-256","kid":"e","x":1e999,"y":"AQAB"}"#,
            r#"{"kty":["RSA"]}"#,
        ] {
            let set = KeySet::read(format!(r#"{{"keys":[{other},{good}]}}"#).as_bytes()).unwrap();
            assert!(set.find(Some("good"), Algorithm::RS256).is_some(), "{other}");
        }
    }

    #[test]
    fn keys_beyond_the_maximum_are_dropped() {
        let many: Vec<_> = (0..=MAX_KEYS).map(|n| with(ec(), "kid", n.to_string())).collect();
        assert_eq!(read(&many).unwrap().0.len(), MAX_KEYS);
    }
}
