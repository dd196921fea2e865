//! The means of a forger: all public keys, the forger's own keys, and a valid token of each issuer.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::{
    harness::{AUDIENCE, Issuer, in_seconds},
    key_pair::KeyPair,
};

/// The issuer that signs with a shared secret.
pub const BACKEND: &str = "https://backend.example";
/// The shared secret of [`BACKEND`].
pub const SECRET: &str = "what only the backend and the functions know";
/// The secret to which [`BACKEND`] changes.
pub const NEXT_SECRET: &str = "what the backend and the functions will know";

/// The modulus and private exponent of a 1024-bit RSA key. Its issuer publishes it although it is too short.
const WEAK_MODULUS: &[u8] = b"\
    ac7e1755ab5f265c5dfce9a6acc548bc7ca37dad9d29d453309241c45283aa849dcc60f6f571df9a4fd9d1\
    93d54c9602d9f61f7798a19175bc6cfec92340e4afd8943e29e8dd319a1dbf0e855aedbc08a7febf911cd2\
    06bfa3261d45f0735a07b8497972ab05fe92f9f5e7f127f7ad910383d5c2b6fbe8010990e1e66a940dd7";
const WEAK_EXPONENT: &[u8] = b"\
    5aad5e6ef6cbea4a9c4e1c363694ef8bc6a9dba3acff145337316bc95ce74278bccb781ddb21a5be6543c8\
    5cc2c0a40b93b1431187f74794711d8b4309794fbe1440ea207adb04e742e0dc6082bc852ddc6bc437eb34\
    9a115f17e023871fcf4ee9d156b4d787de5622adefda89e83d74a644695877981d9e03eed6eb8e5ce0e1";

/// The DER prefix of a SHA-256 hash in an RSA signature (RFC 8017, section 9.2).
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// The issuers and keys of a test, and those of the forger.
pub struct Scene {
    /// An issuer with an RSA key named `r`, a P-256 key named `e`, and a weak key named `weak`.
    pub issuer: Issuer,
    pub rsa: KeyPair,
    pub ec: KeyPair,
    /// Another issuer, with a P-256 key named `o`.
    pub other: Issuer,
    pub other_key: KeyPair,
    /// The forger's keys, with the key ids of the issuer's keys, and the site that publishes them.
    pub forger_rsa: KeyPair,
    pub forger_ec: KeyPair,
    pub forger_site: Issuer,
}

impl Scene {
    pub async fn new() -> Self {
        let (rsa, ec) = (KeyPair::rs256("r"), KeyPair::es256("e"));
        let issuer = Issuer::start("https://issuer.example", &[]).await;
        let n = BigUint::parse_bytes(WEAK_MODULUS, 16).unwrap().to_bytes_be();
        let weak = json!({"kty": "RSA", "kid": "weak", "n": segment(n), "e": "AQAB"});
        issuer.reply(crate::harness::Reply::Keys(vec![rsa.public(), ec.public(), weak]));
        let other_key = KeyPair::es256("o");
        let other = Issuer::start("https://other.example", &[&other_key]).await;
        let (forger_rsa, forger_ec) = (KeyPair::rs256("r"), KeyPair::es256("e"));
        let forger_site = Issuer::start("https://issuer.example", &[&forger_rsa, &forger_ec]).await;
        Self { issuer, rsa, ec, other, other_key, forger_rsa, forger_ec, forger_site }
    }

    /// The claims of a valid token of [`Self::issuer`].
    pub fn claims(&self) -> Value {
        self.issuer.claims("108")
    }

    /// The claims with some changes. A null value removes the claim.
    pub fn claims_with(&self, changes: &Value) -> Value {
        with_changes(self.claims(), changes)
    }

    /// The modulus of the issuer's RSA key.
    pub fn modulus(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(self.rsa.public()["n"].as_str().unwrap()).unwrap()
    }

    /// The issuer's public RSA key as a PEM file.
    pub fn pem(&self) -> String {
        let n = self.modulus();
        // SubjectPublicKeyInfo (RFC 5280, section 4.1) of 2048 bits and the exponent 65537.
        let mut der =
            vec![0x30, 0x82, 1, 0x22, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
        der.extend([3, 0x82, 1, 15, 0, 0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0]);
        der.extend(n);
        der.extend([2, 3, 1, 0, 1]);
        let lines: Vec<String> = STANDARD
            .encode(der)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

/// The claims of a valid token of [`BACKEND`].
pub fn backend_claims() -> Value {
    let id = uuid::Uuid::new_v4();
    json!({"iss": BACKEND, "aud": AUDIENCE, "sub": id, "user_id": id, "username": "eve", "iat": in_seconds(0),
        "exp": in_seconds(3600)})
}

/// The claims with some changes. A null value removes the claim.
pub fn with_changes(mut claims: Value, changes: &Value) -> Value {
    let all = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    claims
}

pub fn segment(content: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(content)
}

/// Appends a signature to two segments of any content.
pub fn sign_segments(message: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    format!("{message}.{}", sign(message.as_bytes(), key, algorithm).unwrap())
}

/// A token with this header and these claims, unchecked, signed with a key pair.
pub fn signed(pair: &KeyPair, header: &str, claims: &str) -> String {
    sign_segments(&format!("{}.{}", segment(header), segment(claims)), &pair.key, pair.algorithm)
}

/// A token with this header and these claims, unchecked, signed with HMAC-SHA256.
pub fn hmac(secret: impl AsRef<[u8]>, header: &str, claims: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_ref());
    sign_segments(&format!("{}.{}", segment(header), segment(claims)), &key, Algorithm::HS256)
}

/// A token with these bytes as its signature.
pub fn with_signature(header: &str, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", segment(header), segment(claims.to_string()), segment(signature))
}

/// A token signed with the weak key (RFC 8017, section 8.2.1).
pub fn signed_with_weak_key(claims: &Value) -> String {
    let message = format!("{}.{}", segment(r#"{"alg":"RS256","kid":"weak"}"#), segment(claims.to_string()));
    let modulus = BigUint::parse_bytes(WEAK_MODULUS, 16).unwrap();
    let exponent = BigUint::parse_bytes(WEAK_EXPONENT, 16).unwrap();
    let hash = digest(&SHA256, message.as_bytes());
    let digest_info = [&[0][..], &SHA256_PREFIX, hash.as_ref()].concat();
    let padded = [vec![0, 1], vec![0xff; 128 - 2 - digest_info.len()], digest_info].concat();
    let padded = BigUint::from_bytes_be(&padded);
    let signature = padded.modpow(&exponent, &modulus);
    assert_eq!(signature.modpow(&BigUint::from(65_537_u32), &modulus), padded, "the signature is valid");
    let signature = signature.to_bytes_be();
    let signature = [vec![0; 128 - signature.len()], signature].concat();
    format!("{message}.{}", segment(signature))
}
