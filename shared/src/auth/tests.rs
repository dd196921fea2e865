use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::auth::{
    key_pair::KeyPair,
    test_issuer::{Reply, TestIssuer},
    *,
};

const SECRET: &str = "a secret for tests, of more than 32 bytes";
const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";
const BEN: &str = "11111111-2222-4333-8444-555555555555";
const NOW: i64 = 1_770_000_000;

fn secret() -> SecretConfig {
    SecretConfig { secrets: vec![SECRET.to_owned()], issuer: None, audience: None }
}

fn verifier(secret: Option<SecretConfig>, issuers: &Value, server: &TestIssuer) -> Verifier {
    let issuers = IssuerConfig::read_list(&issuers.to_string()).unwrap();
    Verifier::new(&TokenConfig { secret, issuers }, &server.http())
}

fn sign_with_secret(claims: &Value) -> String {
    sign_with(SECRET, claims)
}

fn sign_with(secret: &str, claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

async fn user_of(verifier: &Verifier, token: &str) -> Result<String, String> {
    let result = verifier.verify(token, Timestamp::from_seconds(NOW)).await;
    result.map(|identity| identity.user_id.to_string()).map_err(|error| error.to_string())
}

/// The configuration of a real issuer, and the claims of its tokens.
struct Sample {
    config: Value,
    claims: Value,
}

/// Replaces some of the claims.
fn with(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// A Google ID token:
/// <https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload>.
fn google() -> Sample {
    let app = "1234987819200.apps.googleusercontent.com";
    Sample {
        config: json!({"issuer": "https://accounts.google.com", "aliases": ["accounts.google.com"],
            "jwks_url": "https://www.googleapis.com/oauth2/v3/certs", "audience": app}),
        claims: json!({"iss": "https://accounts.google.com", "azp": app, "aud": app, "sub": "10769150350006150715113082367",
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "hd": "example.com", "email": "jsmith@example.com",
            "email_verified": true, "name": "J. Smith", "picture": "https://lh3.example/a", "iat": NOW, "exp": NOW + 3600}),
    }
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>
fn cognito() -> Sample {
    let pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_aBcDeFgHi";
    Sample {
        config: json!({"issuer": pool, "jwks_url": format!("{pool}/.well-known/jwks.json"), "audience": "1example23456789",
            "audience_claims": ["aud", "client_id"], "require": {"token_use": ["access", "id"]}}),
        claims: json!({"sub": ANA, "cognito:groups": ["testgroup"], "iss": pool, "version": 2, "client_id": "1example23456789",
            "origin_jti": BEN, "token_use": "access", "scope": "phone openid profile email", "auth_time": NOW,
            "exp": NOW + 3600, "iat": NOW, "jti": BEN, "username": "my-test-user"}),
    }
}

/// <https://supabase.com/docs/guides/auth/jwt-fields>
fn supabase() -> Sample {
    let project = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
    Sample {
        config: json!({"issuer": project, "jwks_url": format!("{project}/.well-known/jwks.json"),
            "audience": "authenticated", "require": {"role": "authenticated"}, "names_users": true}),
        claims: json!({"iss": project, "sub": ANA, "aud": "authenticated", "exp": NOW + 3600, "iat": NOW,
            "email": "ana@example.com", "phone": "", "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"user_id": BEN}, "role": "authenticated", "aal": "aal1", "session_id": BEN,
            "amr": [{"method": "password", "timestamp": NOW}], "is_anonymous": false}),
    }
}

/// <https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library>
fn firebase() -> Sample {
    let project = "https://securetoken.google.com/athlytiq-app";
    let jwks = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
    Sample {
        config: json!({"issuer": project, "jwks_url": jwks, "audience": "athlytiq-app"}),
        claims: json!({"iss": project, "aud": "athlytiq-app", "auth_time": NOW, "user_id": "x9CFuhbXYQhBG0TDYZhM3JdKbrf1",
            "sub": "x9CFuhbXYQhBG0TDYZhM3JdKbrf1", "iat": NOW, "exp": NOW + 3600, "email": "ana@example.com",
            "email_verified": false, "firebase": {"identities": {"email": ["ana@example.com"]}, "sign_in_provider": "password"}}),
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_well_known_issuers_are_accepted_and_others_are_rejected() {
    for (pair, sample, changes) in [
        (KeyPair::rs256("k"), google(), json!({"aud": "another.apps.googleusercontent.com"})),
        (KeyPair::rs256("k"), cognito(), json!({"client_id": "another"})),
        (KeyPair::rs256("k"), cognito(), json!({"token_use": "refresh"})),
        (KeyPair::es256("k"), supabase(), json!({"aud": "anon"})),
        (KeyPair::rs256("k"), supabase(), json!({"role": "anon"})),
        (KeyPair::es256("k"), supabase(), json!({"role": "service_role"})),
        (KeyPair::rs256("k"), firebase(), json!({"aud": "another-app"})),
        (KeyPair::rs256("k"), firebase(), json!({"iss": "https://securetoken.google.com/another-app"})),
    ] {
        let verifier = verifier(None, &json!([sample.config]), &TestIssuer::with_keys(&[&pair]));
        user_of(&verifier, &pair.sign(&sample.claims)).await.unwrap();
        user_of(&verifier, &pair.sign(&with(&sample.claims, &changes))).await.unwrap_err();
        let other =
            if pair.algorithm == Algorithm::RS256 { KeyPair::rs256("k") } else { KeyPair::es256("k") };
        assert_eq!(
            user_of(&verifier, &other.sign(&sample.claims)).await,
            Err("invalid token: bad signature".to_owned())
        );
        assert!(
            user_of(&verifier, &sign_with_secret(&sample.claims)).await.is_err(),
            "no shared secret is configured"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn id_and_access_tokens_of_cognito_have_the_same_user() {
    let (pair, access) = (KeyPair::rs256("k"), cognito());
    let verifier = verifier(None, &json!([access.config]), &TestIssuer::with_keys(&[&pair]));
    let mut id =
        with(&access.claims, &json!({"token_use": "id", "aud": "1example23456789", "cognito:username": "u"}));
    id.as_object_mut().unwrap().remove("client_id");
    let by_access = user_of(&verifier, &pair.sign(&access.claims)).await.unwrap();
    assert_eq!(user_of(&verifier, &pair.sign(&id)).await, Ok(by_access));
}

#[tokio::test(start_paused = true)]
async fn both_issuer_names_of_google_have_the_same_users() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let verifier = verifier(None, &json!([google.config]), &TestIssuer::with_keys(&[&pair]));
    let long = user_of(&verifier, &pair.sign(&google.claims)).await.unwrap();
    let short = pair.sign(&with(&google.claims, &json!({"iss": "accounts.google.com"})));
    assert_eq!(user_of(&verifier, &short).await, Ok(long));
}

#[tokio::test(start_paused = true)]
async fn only_an_issuer_that_names_users_can_choose_a_user_id() {
    let pair = KeyPair::es256("k");
    let (supabase, cognito) = (supabase(), cognito());
    let verifier =
        verifier(Some(secret()), &json!([supabase.config, cognito.config]), &TestIssuer::with_keys(&[&pair]));
    assert_eq!(user_of(&verifier, &pair.sign(&supabase.claims)).await.unwrap(), ANA);
    let both = pair.sign(&with(&supabase.claims, &json!({"user_id": BEN})));
    assert_eq!(user_of(&verifier, &both).await.unwrap(), BEN, "user_id takes precedence");
    let foreign = user_of(&verifier, &pair.sign(&cognito.claims)).await.unwrap();
    assert_ne!(foreign, ANA, "a UUID as the subject is not a user id");
    let claimed = pair.sign(&with(&cognito.claims, &json!({"user_id": ANA})));
    assert_eq!(user_of(&verifier, &claimed).await, Ok(foreign), "user_id is ignored");
    assert_eq!(
        user_of(&verifier, &sign_with_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.unwrap(),
        ANA
    );
}

#[tokio::test(start_paused = true)]
async fn the_secret_cannot_sign_for_an_issuer_with_keys_unless_shared_with_it() {
    let (pair, supabase) = (KeyPair::es256("k"), supabase());
    let (server, issuers) = (TestIssuer::with_keys(&[&pair]), json!([supabase.config]));
    let token = sign_with_secret(&supabase.claims);
    let for_any_issuer = verifier(Some(secret()), &issuers, &server);
    assert_eq!(user_of(&for_any_issuer, &token).await, Err("invalid token: unknown issuer".to_owned()));
    // A project that migrates from a secret to keys signs with both for some time.
    let issuer = supabase.claims["iss"].as_str().map(str::to_owned);
    let for_the_issuer = verifier(Some(SecretConfig { issuer, ..secret() }), &issuers, &server);
    assert_eq!(user_of(&for_the_issuer, &token).await.unwrap(), ANA);
    assert_eq!(user_of(&for_the_issuer, &pair.sign(&supabase.claims)).await.unwrap(), ANA);
}

#[tokio::test(start_paused = true)]
async fn each_of_two_secrets_verifies_tokens_in_any_order_and_no_other_secret_does() {
    const NEXT: &str = "the next secret for tests, of more than 32 bytes";
    const OTHER: &str = "a secret that is not shared, of more than 32 bytes";
    let claims = json!({"sub": ANA, "exp": NOW + 60, "iss": "us"});
    for (secrets, believed) in [
        (vec![SECRET, NEXT], vec![SECRET, NEXT]),
        (vec![NEXT, SECRET], vec![SECRET, NEXT]),
        (vec![NEXT, NEXT], vec![NEXT]),
        (vec![SECRET], vec![SECRET]),
    ] {
        let secrets = secrets.into_iter().map(str::to_owned).collect();
        let config = SecretConfig { secrets, issuer: Some("us".into()), audience: None };
        let verifier = verifier(Some(config), &json!([]), &TestIssuer::with_keys(&[]));
        for secret in [SECRET, NEXT, OTHER, ""] {
            let expected =
                if believed.contains(&secret) { Ok(ANA) } else { Err("invalid token: bad signature") };
            let user = user_of(&verifier, &sign_with(secret, &claims)).await;
            assert_eq!(user.as_deref().map_err(String::as_str), expected, "{secret}");
            // The claims are checked for both.
            let other = user_of(&verifier, &sign_with(secret, &with(&claims, &json!({"iss": "them"})))).await;
            assert_eq!(other, Err("invalid token: unknown issuer".to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_configured_issuer_and_audience_are_required() {
    let strict = SecretConfig { issuer: Some("us".into()), audience: Some("chat".into()), ..secret() };
    let verifier = verifier(Some(strict), &json!([]), &TestIssuer::with_keys(&[]));
    let token = |iss: Value, aud: Value| {
        sign_with_secret(&json!({"sub": ANA, "exp": NOW + 60, "iss": iss, "aud": aud}))
    };
    assert!(user_of(&verifier, &token("us".into(), "chat".into())).await.is_ok());
    assert!(user_of(&verifier, &token("us".into(), json!(["shop", "chat"]))).await.is_ok());
    for (iss, aud) in [
        (json!("them"), json!("chat")),
        (json!(["us"]), json!("chat")),
        (json!("us"), json!("shop")),
        (json!("us"), json!([])),
        (json!("us"), json!({"chat": true})),
        (json!(null), json!("chat")),
    ] {
        assert!(user_of(&verifier, &token(iss.clone(), aud.clone())).await.is_err(), "{iss} {aud}");
    }
    assert!(user_of(&verifier, &sign_with_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_issuer_does_not_affect_other_issuers() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let server = TestIssuer::with_keys(&[&pair]);
    server.reply(Reply::Refused);
    let verifier = verifier(Some(secret()), &json!([google.config]), &server);
    let result = verifier.verify(&pair.sign(&google.claims), Timestamp::from_seconds(NOW)).await;
    assert!(matches!(result, Err(Error::Busy(_))), "the token may be valid");
    assert!(user_of(&verifier, &sign_with_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_need_no_keys_cause_no_fetch() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let server = TestIssuer::with_keys(&[&pair]);
    let verifier = verifier(Some(secret()), &json!([google.config]), &server);
    user_of(&verifier, &sign_with_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.unwrap();
    for claims in [json!({"iss": "https://elsewhere.example"}), json!({"aud": "another"}), json!({"iss": 7})]
    {
        user_of(&verifier, &pair.sign(&with(&google.claims, &claims))).await.unwrap_err();
    }
    assert_eq!(server.requests(), 0);
}
