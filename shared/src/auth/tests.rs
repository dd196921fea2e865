use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::auth::{
    issuer_of_tests::{Answer, Site},
    key_pair::KeyPair,
    *,
};

const SECRET: &str = "a secret for tests, of more than 32 bytes";
const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";
const BEN: &str = "11111111-2222-4333-8444-555555555555";
const NOW: i64 = 1_770_000_000;

fn secret() -> SecretConfig {
    SecretConfig { secret: SECRET.to_owned(), issuer: None, audience: None }
}

fn verifier(secret: Option<SecretConfig>, issuers: &Value, site: &Site) -> Verifier {
    let issuers = IssuerConfig::read_list(&issuers.to_string()).unwrap();
    Verifier::new(&TokenConfig { secret, issuers }, &site.http())
}

fn by_secret(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn who(verifier: &Verifier, token: &str) -> Result<String, String> {
    let found = verifier.verify(token, Timestamp::from_seconds(NOW)).await;
    found.map(|identity| identity.user_id.to_string()).map_err(|error| error.to_string())
}

/// An issuer's configuration and claims, as they are in the world.
struct Shape {
    config: Value,
    claims: Value,
}

/// The claims with others in their place.
fn but(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// What Google says at a sign-in:
/// <https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload>.
fn google() -> Shape {
    let app = "1234987819200.apps.googleusercontent.com";
    Shape {
        config: json!({"issuer": "https://accounts.google.com", "aliases": ["accounts.google.com"],
            "jwks_url": "https://www.googleapis.com/oauth2/v3/certs", "audience": app}),
        claims: json!({"iss": "https://accounts.google.com", "azp": app, "aud": app, "sub": "10769150350006150715113082367",
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "hd": "example.com", "email": "jsmith@example.com",
            "email_verified": true, "name": "J. Smith", "picture": "https://lh3.example/a", "iat": NOW, "exp": NOW + 3600}),
    }
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>
fn cognito() -> Shape {
    let pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_aBcDeFgHi";
    Shape {
        config: json!({"issuer": pool, "jwks_url": format!("{pool}/.well-known/jwks.json"), "audience": "1example23456789",
            "audience_claims": ["aud", "client_id"], "require": {"token_use": ["access", "id"]}}),
        claims: json!({"sub": ANA, "cognito:groups": ["testgroup"], "iss": pool, "version": 2, "client_id": "1example23456789",
            "origin_jti": BEN, "token_use": "access", "scope": "phone openid profile email", "auth_time": NOW,
            "exp": NOW + 3600, "iat": NOW, "jti": BEN, "username": "my-test-user"}),
    }
}

/// <https://supabase.com/docs/guides/auth/jwt-fields>
fn supabase() -> Shape {
    let project = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
    Shape {
        config: json!({"issuer": project, "jwks_url": format!("{project}/.well-known/jwks.json"),
            "audience": "authenticated", "require": {"role": "authenticated"}, "names_users": true}),
        claims: json!({"iss": project, "sub": ANA, "aud": "authenticated", "exp": NOW + 3600, "iat": NOW,
            "email": "ana@example.com", "phone": "", "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"user_id": BEN}, "role": "authenticated", "aal": "aal1", "session_id": BEN,
            "amr": [{"method": "password", "timestamp": NOW}], "is_anonymous": false}),
    }
}

/// <https://firebase.google.com/docs/auth/admin/verify-id-tokens#verify_id_tokens_using_a_third-party_jwt_library>
fn firebase() -> Shape {
    let project = "https://securetoken.google.com/athlytiq-app";
    let jwks = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
    Shape {
        config: json!({"issuer": project, "jwks_url": jwks, "audience": "athlytiq-app"}),
        claims: json!({"iss": project, "aud": "athlytiq-app", "auth_time": NOW, "user_id": "x9CFuhbXYQhBG0TDYZhM3JdKbrf1",
            "sub": "x9CFuhbXYQhBG0TDYZhM3JdKbrf1", "iat": NOW, "exp": NOW + 3600, "email": "ana@example.com",
            "email_verified": false, "firebase": {"identities": {"email": ["ana@example.com"]}, "sign_in_provider": "password"}}),
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_each_known_issuer_are_taken_and_no_others() {
    for (pair, shape, changes) in [
        (KeyPair::rs256("k"), google(), json!({"aud": "another.apps.googleusercontent.com"})),
        (KeyPair::rs256("k"), cognito(), json!({"client_id": "another"})),
        (KeyPair::rs256("k"), cognito(), json!({"token_use": "refresh"})),
        (KeyPair::es256("k"), supabase(), json!({"aud": "anon"})),
        (KeyPair::rs256("k"), supabase(), json!({"role": "anon"})),
        (KeyPair::es256("k"), supabase(), json!({"role": "service_role"})),
        (KeyPair::rs256("k"), firebase(), json!({"aud": "another-app"})),
        (KeyPair::rs256("k"), firebase(), json!({"iss": "https://securetoken.google.com/another-app"})),
    ] {
        let verifier = verifier(None, &json!([shape.config]), &Site::of(&[&pair]));
        who(&verifier, &pair.sign(&shape.claims)).await.unwrap();
        who(&verifier, &pair.sign(&but(&shape.claims, &changes))).await.unwrap_err();
        let other =
            if pair.algorithm == Algorithm::RS256 { KeyPair::rs256("k") } else { KeyPair::es256("k") };
        assert_eq!(
            who(&verifier, &other.sign(&shape.claims)).await,
            Err("invalid token: bad signature".to_owned())
        );
        assert!(who(&verifier, &by_secret(&shape.claims)).await.is_err(), "no secret is shared");
    }
}

#[tokio::test(start_paused = true)]
async fn cognitos_id_tokens_are_taken_beside_its_access_tokens_as_the_same_person() {
    let (pair, access) = (KeyPair::rs256("k"), cognito());
    let verifier = verifier(None, &json!([access.config]), &Site::of(&[&pair]));
    let mut id =
        but(&access.claims, &json!({"token_use": "id", "aud": "1example23456789", "cognito:username": "u"}));
    id.as_object_mut().unwrap().remove("client_id");
    let by_access = who(&verifier, &pair.sign(&access.claims)).await.unwrap();
    assert_eq!(who(&verifier, &pair.sign(&id)).await, Ok(by_access));
}

#[tokio::test(start_paused = true)]
async fn googles_people_are_the_same_under_both_its_names() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let verifier = verifier(None, &json!([google.config]), &Site::of(&[&pair]));
    let long = who(&verifier, &pair.sign(&google.claims)).await.unwrap();
    let short = pair.sign(&but(&google.claims, &json!({"iss": "accounts.google.com"})));
    assert_eq!(who(&verifier, &short).await, Ok(long));
}

#[tokio::test(start_paused = true)]
async fn only_an_issuer_that_names_our_users_can_name_one() {
    let pair = KeyPair::es256("k");
    let (supabase, cognito) = (supabase(), cognito());
    let verifier = verifier(Some(secret()), &json!([supabase.config, cognito.config]), &Site::of(&[&pair]));
    assert_eq!(who(&verifier, &pair.sign(&supabase.claims)).await.unwrap(), ANA);
    let both = pair.sign(&but(&supabase.claims, &json!({"user_id": BEN})));
    assert_eq!(who(&verifier, &both).await.unwrap(), BEN, "user_id is first where it counts");
    let foreign = who(&verifier, &pair.sign(&cognito.claims)).await.unwrap();
    assert_ne!(foreign, ANA, "the same UUID as subject");
    let claimed = pair.sign(&but(&cognito.claims, &json!({"user_id": ANA})));
    assert_eq!(who(&verifier, &claimed).await, Ok(foreign), "user_id counts for nothing");
    assert_eq!(who(&verifier, &by_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.unwrap(), ANA);
}

#[tokio::test(start_paused = true)]
async fn the_secret_does_not_speak_for_issuers_with_keys_unless_it_is_shared_with_them() {
    let (pair, supabase) = (KeyPair::es256("k"), supabase());
    let (site, issuers) = (Site::of(&[&pair]), json!([supabase.config]));
    let token = by_secret(&supabase.claims);
    let anyones = verifier(Some(secret()), &issuers, &site);
    assert_eq!(who(&anyones, &token).await, Err("invalid token: other issuer".to_owned()));
    // A project that changes from its secret to keys signs with both for a while.
    let issuer = supabase.claims["iss"].as_str().map(str::to_owned);
    let theirs = verifier(Some(SecretConfig { issuer, ..secret() }), &issuers, &site);
    assert_eq!(who(&theirs, &token).await.unwrap(), ANA);
    assert_eq!(who(&theirs, &pair.sign(&supabase.claims)).await.unwrap(), ANA);
}

#[tokio::test(start_paused = true)]
async fn issuer_and_audience_are_required_once_configured() {
    let strict = SecretConfig { issuer: Some("us".into()), audience: Some("chat".into()), ..secret() };
    let verifier = verifier(Some(strict), &json!([]), &Site::of(&[]));
    let token =
        |iss: Value, aud: Value| by_secret(&json!({"sub": ANA, "exp": NOW + 60, "iss": iss, "aud": aud}));
    assert!(who(&verifier, &token("us".into(), "chat".into())).await.is_ok());
    assert!(who(&verifier, &token("us".into(), json!(["shop", "chat"]))).await.is_ok());
    for (iss, aud) in [
        (json!("them"), json!("chat")),
        (json!(["us"]), json!("chat")),
        (json!("us"), json!("shop")),
        (json!("us"), json!([])),
        (json!("us"), json!({"chat": true})),
        (json!(null), json!("chat")),
    ] {
        assert!(who(&verifier, &token(iss.clone(), aud.clone())).await.is_err(), "{iss} {aud}");
    }
    assert!(who(&verifier, &by_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_is_nobody_elses_trouble() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let site = Site::of(&[&pair]);
    site.answer(Answer::Refused);
    let verifier = verifier(Some(secret()), &json!([google.config]), &site);
    let down = verifier.verify(&pair.sign(&google.claims), Timestamp::from_seconds(NOW)).await;
    assert!(matches!(down, Err(Error::Busy(_))), "it may be good");
    assert!(who(&verifier, &by_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_need_no_keys_fetch_none() {
    let (pair, google) = (KeyPair::rs256("k"), google());
    let site = Site::of(&[&pair]);
    let verifier = verifier(Some(secret()), &json!([google.config]), &site);
    who(&verifier, &by_secret(&json!({"sub": ANA, "exp": NOW + 60}))).await.unwrap();
    for claims in [json!({"iss": "https://elsewhere.example"}), json!({"aud": "another"}), json!({"iss": 7})]
    {
        who(&verifier, &pair.sign(&but(&google.claims, &claims))).await.unwrap_err();
    }
    assert_eq!(site.asked(), 0);
}
