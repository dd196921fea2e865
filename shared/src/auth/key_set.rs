//! The published keys of an issuer (RFC 7517) that can verify tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// The maximum number of keys of a set. Issuers have two or three.
const MAX_KEYS: usize = 64;

/// The accepted length of an RSA key, in bits. The minimum is from RFC 7518, section 3.3; the maximum bounds
/// the time of a verification.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The length of a P-256 coordinate, in bytes (RFC 7518, section 6.2.1.2).
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
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
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
fn usable_key(json: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let common = &jwk.common;
    let is_for_signatures =
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let can_verify = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let (algorithm, expected_name, has_valid_size) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            (Algorithm::RS256, KeyAlgorithm::RS256, RSA_BITS.contains(&bits(&decoded(&rsa.n)?)))
        }
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
            let has_valid_size =
                decoded(&point.x)?.len() == P256_BYTES && decoded(&point.y)?.len() == P256_BYTES;
            (Algorithm::ES256, KeyAlgorithm::ES256, has_valid_size)
        }
        _ => return None,
    };
    let is_usable = is_for_signatures
        && can_verify
        && common.key_algorithm.is_none_or(|name| name == expected_name)
        && has_valid_size;
    let public = DecodingKey::from_jwk(&jwk).ok().filter(|_| is_usable)?;
    Some(Key { id: common.key_id.clone(), algorithm, public })
}

fn decoded(number: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(number).ok()
}

/// The length of a big-endian number, in bits.
fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[first..];
    number.len() * 8 - number.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let half = URL_SAFE_NO_PAD.encode([1; 31]);
        for unusable in [
            json!(7),
            json!({"kid": "r"}),
            json!({"kty": "oct", "kid": "r", "k": "c2VjcmV0"}),
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "r", "x": half}),
            rsa(1024),
            rsa(2040),
            rsa(8200),
            with(rsa(2048), "n", "not base64!"),
            with(rsa(2048), "use", "enc"),
            with(rsa(2048), "alg", "RS512"),
            with(rsa(2048), "alg", "HS256"),
            with(rsa(2048), "alg", "something"),
            with(rsa(2048), "key_ops", json!(["encrypt"])),
            with(ec(), "crv", "P-384"),
            with(ec(), "crv", "secp256k1"),
            with(ec(), "x", half),
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

    #[test]
    fn keys_beyond_the_maximum_are_dropped() {
        let many: Vec<_> = (0..=MAX_KEYS).map(|n| with(ec(), "kid", n.to_string())).collect();
        assert_eq!(read(&many).unwrap().0.len(), MAX_KEYS);
    }
}
