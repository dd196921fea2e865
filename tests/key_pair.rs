//! Key pairs that test issuers sign tokens with.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

/// The bytes before the key itself in the PKCS #8 encoding of a 2048-bit RSA key.
const PKCS8_PREFIX: usize = 26;

/// A key pair and its key id (`kid`).
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

    /// Signs a token with the given claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }

    /// The public key as a JWK, in the form that issuers publish.
    pub fn public(&self) -> Value {
        let mut jwk = json!(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap());
        jwk["kid"] = self.id.as_str().into();
        jwk
    }
}
