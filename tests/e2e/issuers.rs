//! Issuers that publish their keys: the users of their tokens, changed keys and unavailable keys.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use local::{Options, Stack};
use serde_json::{Value, json};

use crate::{
    harness::{Actor, Issuer, PATIENCE, Reply, TestStack, in_seconds, signed},
    key_pair::KeyPair,
};

/// The secret that a rotation replaces.
const OLD: &str = "the former secret, of more than 32 bytes";

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A stack that trusts these issuers and its own secret.
async fn stack_of(issuers: &[Value]) -> TestStack {
    TestStack::with(options(issuers)).await
}

fn options(issuers: &[Value]) -> Options {
    let mut options = Options::default();
    options.env.insert("JWT_ISSUERS".to_owned(), json!(issuers).to_string());
    options
}

/// The id of the user of a valid token.
async fn id_of(user: &Actor) -> String {
    user.get("/users/me").await.ok()["id"].as_str().unwrap().to_owned()
}

/// The claims of a token that expires in two days.
fn two_day_claims(issuer: &Issuer, subject: &str) -> Value {
    let mut claims = issuer.claims(subject);
    claims["exp"] = in_seconds(2 * 24 * 3600).into();
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_each_issuer_authenticate_without_colliding_ids() {
    let (rsa, ec) = (KeyPair::rs256("r"), KeyPair::es256("e"));
    let foreign = Issuer::start("https://foreign.example", &[&rsa]).await;
    let trusted = Issuer::start("https://project.example/auth/v1", &[&ec]).await;
    let mut config = trusted.config();
    config["names_users"] = true.into();
    let stack = stack_of(&[foreign.config(), config]).await;
    let [ana] = stack.actors(["ana"]).await;

    let mut claims = foreign.claims(&ana.id);
    claims["user_id"] = ana.id.as_str().into();
    claims["username"] = "ana".into();
    let other = stack.stranger(Some(&rsa.sign(&claims)));
    let other_id = id_of(&other).await;
    assert_ne!(other_id, ana.id, "a foreign issuer cannot name an existing user");
    let again = stack.stranger(Some(&rsa.sign(&foreign.claims(&ana.id))));
    assert_eq!(id_of(&again).await, other_id, "the same subject is the same user");
    let same = stack.stranger(Some(&ec.sign(&trusted.claims(&ana.id))));
    assert_eq!(id_of(&same).await, ana.id, "an issuer with `names_users` names ana");

    for (user, id) in [(&other, &other_id), (&same, &ana.id)] {
        let mut by_query = user.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
        let mut by_header = user.socket_by_header().await.unwrap_or_else(|status| panic!("{status}"));
        for socket in [&mut by_query, &mut by_header] {
            socket.send("hello", json!({})).await;
            assert_eq!(socket.expect("connection_established").await["data"]["user_id"], id.as_str());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_shared_secret_only_issuers_with_keys_are_trusted() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let mut options = options(&[issuer.config()]);
    options.env.insert("JWT_SECRET".to_owned(), String::new());
    let stack = TestStack::with(options).await;
    let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
    for secret in [stack.local.jwt_secret(), "", "secret"] {
        let rejected = stack.stranger(Some(&signed(secret, &claims)));
        rejected.get("/users/me").await.problem(401, "invalid_token");
    }
    id_of(&stack.stranger(Some(&pair.sign(&issuer.claims("108"))))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_tokens_of_both_secrets_are_accepted() {
    const NEXT: &str = "the next secret, of more than 32 bytes";
    let claims = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
    // The stages of a rotation: one secret, both, the next one only. The variables may also be exchanged.
    for (variables, accepted) in [
        (vec![], [true, false]),
        (vec![("JWT_NEXT_SECRET", NEXT)], [true, true]),
        (vec![("JWT_SECRET", NEXT), ("JWT_NEXT_SECRET", OLD)], [true, true]),
        (vec![("JWT_SECRET", ""), ("JWT_NEXT_SECRET", NEXT)], [false, true]),
        (vec![("JWT_SECRET", NEXT)], [false, true]),
    ] {
        let mut options = Options::default();
        options.env.insert("JWT_SECRET".to_owned(), OLD.to_owned());
        options.env.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let stack = TestStack::with(options).await;
        for (secret, is_accepted) in [OLD, NEXT].into_iter().zip(accepted) {
            let user = stack.stranger(Some(&signed(secret, &claims)));
            if is_accepted {
                assert_eq!(id_of(&user).await, claims["sub"].as_str().unwrap(), "{variables:?}");
                assert!(user.try_socket().await.is_ok(), "{variables:?}");
            } else {
                user.get("/users/me").await.problem(401, "invalid_token");
                assert_eq!(user.try_socket().await.err(), Some(401));
            }
        }
        let forged =
            stack.stranger(Some(&signed("a secret that nobody shares, of more than 32 bytes", &claims)));
        forged.get("/users/me").await.problem(401, "invalid_token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn published_numbers_may_be_padded_and_begin_with_a_zero_byte() {
    let (rsa, ec) = (KeyPair::rs256("r"), KeyPair::es256("e"));
    let issuer = Issuer::start("https://issuer.example", &[]).await;
    let mut keys = [rsa.public(), ec.public()];
    for (key, name) in [(0, "n"), (0, "e"), (1, "x"), (1, "y")] {
        let number = URL_SAFE_NO_PAD.decode(keys[key][name].as_str().unwrap()).unwrap();
        keys[key][name] = URL_SAFE.encode([&[0], number.as_slice()].concat()).into();
    }
    let unreadable = json!({"kty": "RSA", "kid": 7});
    issuer.reply(Reply::Keys([vec![unreadable], keys.to_vec()].concat()));
    let stack = stack_of(&[issuer.config()]).await;
    for pair in [&rsa, &ec] {
        id_of(&stack.stranger(Some(&pair.sign(&issuer.claims("108"))))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_can_rotate_its_keys_and_unknown_key_ids_cause_no_requests() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let issuer = Issuer::start("https://issuer.example", &[&old]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let by_old = stack.stranger(Some(&old.sign(&two_day_claims(&issuer, "108"))));
    let by_new = stack.stranger(Some(&new.sign(&two_day_claims(&issuer, "108"))));
    assert_eq!(issuer.asked(), 0, "keys are fetched only when a token needs them");
    let id = id_of(&by_old).await;
    for n in 0..10 {
        let unknown = KeyPair { id: format!("unknown {n}"), ..KeyPair::es256("") };
        let forged = stack.stranger(Some(&unknown.sign(&issuer.claims("108"))));
        forged.get("/users/me").await.problem(401, "invalid_token");
    }
    assert_eq!(issuer.asked(), 1);

    issuer.publish(&[&old, &new]);
    by_new.get("/users/me").await.problem(401, "invalid_token");
    assert_eq!(id_of(&by_new.after(2 * MINUTE)).await, id);
    assert_eq!(issuer.asked(), 2);
    // Tokens of a withdrawn key are rejected after one hour.
    issuer.publish(&[&new]);
    assert_eq!(id_of(&by_old.after(3 * MINUTE)).await, id);
    assert_eq!(id_of(&by_new.after(2 * HOUR)).await, id);
    let withdrawn = async { while by_old.after(2 * HOUR).get("/users/me").await.status == 200 {} };
    tokio::time::timeout(PATIENCE, withdrawn).await.expect("the keys are refreshed");
    by_old.after(2 * HOUR).get("/users/me").await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_issuer_affects_only_its_own_users_and_only_temporarily() {
    let pair = KeyPair::rs256("r");
    let elsewhere = Issuer::start("https://elsewhere.example", &[&pair]).await;
    let redirect = Reply::RedirectTo(elsewhere.url.clone());
    for down in [Reply::Status(StatusCode::INTERNAL_SERVER_ERROR), redirect, Reply::Endless, Reply::Silence] {
        let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
        issuer.reply(down);
        let stack = stack_of(&[issuer.config()]).await;
        let [ana] = stack.actors(["ana"]).await;
        let user = stack.stranger(Some(&pair.sign(&two_day_claims(&issuer, "108"))));
        let (unavailable, ()) = tokio::join!(user.get("/users/me"), async {
            assert_eq!(id_of(&ana).await, ana.id);
        });
        unavailable.problem(503, "busy");
        assert_eq!(unavailable.headers["retry-after"], "1");
        user.get("/users/me").await.problem(503, "busy");
        assert_eq!(user.try_socket().await.err(), Some(500), "the gateway of the socket has no 503");
        let processes =
            ["users-get-me", "socket-authorize"].map(|name| stack.local.function_pids(name).len());
        assert!(issuer.asked() <= processes.iter().sum(), "one request per process");
        assert_eq!(elsewhere.asked(), 0, "a redirect is not followed");
        assert!(issuer.sent() < 16 * 1024 * 1024, "an endless body is not read completely");

        issuer.publish(&[&pair]);
        id_of(&user.after(MINUTE)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_keys_remain_valid_for_one_day_of_an_outage() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let user = stack.stranger(Some(&pair.sign(&two_day_claims(&issuer, "108"))));
    let id = id_of(&user).await;
    issuer.reply(Reply::Silence);
    for later in [HOUR / 2, 2 * HOUR, 23 * HOUR] {
        assert_eq!(id_of(&user.after(later)).await, id);
    }
    user.after(25 * HOUR).get("/users/me").await.problem(503, "busy");
    issuer.publish(&[&pair]);
    assert_eq!(id_of(&user.after(26 * HOUR)).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_fetch_the_keys_once_per_process() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let users: Vec<_> =
        (0..16).map(|n| stack.stranger(Some(&pair.sign(&issuer.claims(&n.to_string()))))).collect();
    futures::future::join_all(users.iter().map(id_of)).await;
    let processes = stack.local.function_pids("users-get-me").len();
    assert!(issuer.asked() <= processes, "{} requests by {processes} processes", issuer.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_issuer_configuration_prevents_the_start() {
    let issuer = json!({"issuer": "https://a.example", "jwks_url": "http://a.example", "audience": "us"});
    let error = Stack::start(options(&[issuer])).await.err().unwrap().to_string();
    assert!(
        error.contains("does not accept its configuration") && error.contains("must be https"),
        "{error}"
    );
}
