//! Issuers that publish their keys: whom their tokens mean, and what happens when keys change or cannot be had.

use std::time::Duration;

use axum::http::StatusCode;
use local::Options;
use serde_json::{Value, json};

use crate::{
    harness::{Actor, Issuer, PATIENCE, Reply, TestStack, in_seconds, signed},
    key_pair::KeyPair,
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A stack that believes these issuers, beside its own secret.
async fn stack_of(issuers: &[Value]) -> TestStack {
    TestStack::with(options(issuers)).await
}

fn options(issuers: &[Value]) -> Options {
    let mut options = Options::default();
    options.env.insert("JWT_ISSUERS".to_owned(), json!(issuers).to_string());
    options
}

/// The id that a good token of somebody leads to.
async fn id_of(who: &Actor) -> String {
    who.get("/users/me").await.ok()["id"].as_str().unwrap().to_owned()
}

/// Somebody's token with an `exp` two days away.
fn lasting(issuer: &Issuer, subject: &str) -> Value {
    let mut claims = issuer.claims(subject);
    claims["exp"] = in_seconds(2 * 24 * 3600).into();
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_every_issuer_come_in_by_both_doors_and_none_as_somebody_elses() {
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
    assert_ne!(other_id, ana.id, "an id that a foreign issuer gives is none of ours");
    let again = stack.stranger(Some(&rsa.sign(&foreign.claims(&ana.id))));
    assert_eq!(id_of(&again).await, other_id, "the same subject is the same person");
    let same = stack.stranger(Some(&ec.sign(&trusted.claims(&ana.id))));
    assert_eq!(id_of(&same).await, ana.id, "an issuer that names our users has named ana");

    for (who, id) in [(&other, &other_id), (&same, &ana.id)] {
        let mut by_query = who.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
        let mut by_header = who.socket_by_header().await.unwrap_or_else(|status| panic!("{status}"));
        for socket in [&mut by_query, &mut by_header] {
            socket.send("hello", json!({})).await;
            assert_eq!(socket.expect("connection_established").await["data"]["user_id"], id.as_str());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_secret_is_shared_only_issuers_with_keys_are_believed() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let mut options = options(&[issuer.config()]);
    options.env.insert("JWT_SECRET".to_owned(), String::new());
    let stack = TestStack::with(options).await;
    let good = json!({"sub": uuid::Uuid::new_v4(), "exp": in_seconds(3600)});
    for secret in [stack.local.jwt_secret(), "", "secret"] {
        let refused = stack.stranger(Some(&signed(secret, &good)));
        refused.get("/users/me").await.problem(401, "invalid_token");
    }
    id_of(&stack.stranger(Some(&pair.sign(&issuer.claims("108"))))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_may_change_its_keys_and_is_not_pestered_for_made_up_ones() {
    let (old, new) = (KeyPair::es256("old"), KeyPair::es256("new"));
    let issuer = Issuer::start("https://issuer.example", &[&old]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let by_old = stack.stranger(Some(&old.sign(&lasting(&issuer, "108"))));
    let by_new = stack.stranger(Some(&new.sign(&lasting(&issuer, "108"))));
    assert_eq!(issuer.asked(), 0, "nobody needs the keys before a token does");
    let id = id_of(&by_old).await;
    for n in 0..10 {
        let made_up = KeyPair { id: format!("made up {n}"), ..KeyPair::es256("") };
        let forged = stack.stranger(Some(&made_up.sign(&issuer.claims("108"))));
        forged.get("/users/me").await.problem(401, "invalid_token");
    }
    assert_eq!(issuer.asked(), 1);

    issuer.publish(&[&old, &new]);
    by_new.get("/users/me").await.problem(401, "invalid_token");
    assert_eq!(id_of(&by_new.after(2 * MINUTE)).await, id);
    assert_eq!(issuer.asked(), 2);
    // What the issuer withdraws is refused once an hour has passed.
    issuer.publish(&[&new]);
    assert_eq!(id_of(&by_old.after(3 * MINUTE)).await, id);
    assert_eq!(id_of(&by_new.after(2 * HOUR)).await, id);
    let withdrawn = async { while by_old.after(2 * HOUR).get("/users/me").await.status == 200 {} };
    tokio::time::timeout(PATIENCE, withdrawn).await.expect("the keys are refreshed");
    by_old.after(2 * HOUR).get("/users/me").await.problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_shuts_out_its_own_people_for_a_while_and_nobody_else() {
    let pair = KeyPair::rs256("r");
    let elsewhere = Issuer::start("https://elsewhere.example", &[&pair]).await;
    let redirect = Reply::RedirectTo(elsewhere.url.clone());
    for down in [Reply::Status(StatusCode::INTERNAL_SERVER_ERROR), redirect, Reply::Endless, Reply::Silence] {
        let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
        issuer.reply(down);
        let stack = stack_of(&[issuer.config()]).await;
        let [ana] = stack.actors(["ana"]).await;
        let theirs = stack.stranger(Some(&pair.sign(&lasting(&issuer, "108"))));
        let (shut_out, ()) = tokio::join!(theirs.get("/users/me"), async {
            assert_eq!(id_of(&ana).await, ana.id);
        });
        shut_out.problem(503, "busy");
        assert_eq!(shut_out.headers["retry-after"], "1");
        theirs.get("/users/me").await.problem(503, "busy");
        assert_eq!(theirs.try_socket().await.err(), Some(500), "the socket's gateway knows no 503");
        let processes =
            ["users-get-me", "socket-authorize"].map(|name| stack.local.function_pids(name).len());
        assert!(issuer.asked() <= processes.iter().sum(), "once by each process");
        assert_eq!(elsewhere.asked(), 0, "a redirect is not followed");
        assert!(issuer.sent() < 16 * 1024 * 1024, "what is endless is not read for ever");

        issuer.publish(&[&pair]);
        id_of(&theirs.after(MINUTE)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_outlive_an_outage_of_their_issuer_by_a_day() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let theirs = stack.stranger(Some(&pair.sign(&lasting(&issuer, "108"))));
    let id = id_of(&theirs).await;
    issuer.reply(Reply::Silence);
    for later in [HOUR / 2, 2 * HOUR, 23 * HOUR] {
        assert_eq!(id_of(&theirs.after(later)).await, id);
    }
    theirs.after(25 * HOUR).get("/users/me").await.problem(503, "busy");
    issuer.publish(&[&pair]);
    assert_eq!(id_of(&theirs.after(26 * HOUR)).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_ask_for_the_keys_once_in_each_process() {
    let pair = KeyPair::es256("e");
    let issuer = Issuer::start("https://issuer.example", &[&pair]).await;
    let stack = stack_of(&[issuer.config()]).await;
    let people: Vec<_> =
        (0..16).map(|n| stack.stranger(Some(&pair.sign(&issuer.claims(&n.to_string()))))).collect();
    futures::future::join_all(people.iter().map(id_of)).await;
    let processes = stack.local.function_pids("users-get-me").len();
    assert!(issuer.asked() <= processes, "{} times by {processes}", issuer.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_that_will_not_do_keep_a_function_from_starting() {
    let stack =
        stack_of(&[json!({"issuer": "https://a.example", "jwks_url": "http://a.example", "audience": "us"})])
            .await;
    let failed = stack.local.invoke("users-get-me", "{}").await.unwrap_err().to_string();
    assert!(failed.contains("it did not start"), "{failed}");
}
