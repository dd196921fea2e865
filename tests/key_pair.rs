//! Keys that issuers of tests sign with.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

/// How much stands before the key itself in the PKCS #8 form of an RSA key of 2048 bits.
const PKCS8_PREFIX: usize = 26;

/// A pair of keys, and its name.
pub struct KeyPair {
    pub id: String,
    pub key: EncodingKey,
    pub algorithm: Algorithm,
}

impl KeyPair {
    pub fn es256(id: &str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self { id: id.to_owned(), key: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256 }
    }

    pub fn rs256(id: &str) -> Self {
        let der = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&der.as_ref()[PKCS8_PREFIX..]);
        Self { id: id.to_owned(), key, algorithm: Algorithm::RS256 }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }

    /// The public key as issuers publish it.
    pub fn public(&self) -> Value {
        let mut jwk = json!(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap());
        jwk["kid"] = self.id.as_str().into();
        jwk
    }
}
