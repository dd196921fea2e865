//! Authentication, and the profile that a first authenticated call creates.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{Actor, TestStack, in_seconds, signed};

#[tokio::test(flavor = "multi_thread")]
async fn the_http_api_and_the_socket_require_a_valid_token() {
    let stack = TestStack::new().await;
    let id = Uuid::new_v4();
    let valid_claims = json!({"sub": id, "user_id": id, "exp": in_seconds(3600)});
    let expired = json!({"sub": id, "user_id": id, "exp": in_seconds(-3600)});
    let secret = stack.local.jwt_secret();
    let cases = [
        (None, "invalid_token"),
        (Some("nonsense".to_owned()), "invalid_token"),
        (Some(signed("another secret, of more than 32 bytes", &valid_claims)), "invalid_token"),
        (Some(signed(secret, &json!({"sub": id}))), "invalid_token"),
        (Some(signed(secret, &expired)), "token_expired"),
    ];
    for (token, code) in cases {
        let stranger = stack.stranger(token.as_deref());
        stranger.get("/users/me").await.problem(401, code);
        stranger.get("/friends/").await.problem(401, code);
        assert_eq!(stranger.try_socket().await.err(), Some(401), "{token:?}");
    }
    let valid = stack.stranger(Some(&signed(secret, &valid_claims)));
    valid.get("/users/me").await.ok();
    assert!(valid.try_socket().await.is_ok());
    assert!(valid.socket_by_header().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_creates_the_profile_and_a_refreshed_token_keeps_it() {
    let stack = TestStack::new().await;
    let id = Uuid::new_v4();
    let secret = stack.local.jwt_secret();
    let refreshed =
        stack.stranger(Some(&signed(secret, &json!({"sub": "ana", "user_id": id, "exp": in_seconds(3600)}))));
    let me = refreshed.get("/users/me").await.ok();
    assert_eq!((&me["id"], &me["username"]), (&json!(id), &json!("ana")));
    let first = stack
        .stranger(Some(&signed(secret, &json!({"sub": id, "username": "else", "exp": in_seconds(3600)}))));
    assert_eq!(first.get("/users/me").await.ok(), me);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_connection_by_socket_creates_the_profile() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let id = Uuid::new_v4();
    let claims = json!({"sub": id, "username": "socketeer", "name": "Sock", "exp": in_seconds(3600)});
    let new_user = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    new_user.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
    let found = ana.get("/friends/search?query=socketeer").await.ok();
    assert_eq!((&found[0]["id"], &found[0]["display_name"]), (&json!(id), &json!("Sock")));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_whose_tokens_name_the_same_username_get_different_usernames() {
    let stack = TestStack::new().await;
    let secret = stack.local.jwt_secret();
    let users = [Uuid::new_v4(), Uuid::new_v4()].map(|id| {
        let claims = json!({"sub": id, "username": "Sam", "exp": in_seconds(3600)});
        stack.stranger(Some(&signed(secret, &claims)))
    });
    let name = async |user: &Actor| user.get("/users/me").await.ok()["username"].as_str().unwrap().to_owned();
    let (first, second) = tokio::join!(name(&users[0]), name(&users[1]));
    assert_ne!(first, second);
    assert!(first == "Sam" || second == "Sam");
    assert!(first.starts_with("Sam") && second.starts_with("Sam"), "{first}, {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_opens_no_connection() {
    let stack = TestStack::new().await;
    let id = Uuid::new_v4();
    // The HTTP API accepts a token for one minute after it expires.
    let claims = json!({"sub": id, "username": "late", "exp": in_seconds(-30)});
    let expired = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    expired.get("/users/me").await.ok();
    assert_eq!(expired.try_socket().await.err(), Some(401), "the token must be valid after the handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_connection_keeps_names_in_every_script() {
    let stack = TestStack::new().await;
    for name in ["Zoë 日本", "100 % 🏃", "%41", "\u{1F468}\u{200D}\u{1F469}", &"日".repeat(100)] {
        let claims = json!({"sub": Uuid::new_v4(), "name": name, "exp": in_seconds(3600)});
        let new_user = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
        new_user.try_socket().await.unwrap_or_else(|status| panic!("{name}: {status}"));
        assert_eq!(new_user.get("/users/me").await.ok()["display_name"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_long_for_a_url_is_accepted_in_the_header() {
    let stack = TestStack::new().await;
    let claims = json!({"sub": Uuid::new_v4(), "exp": in_seconds(3600), "padding": "x".repeat(3500)});
    let user = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    assert_eq!(user.try_socket().await.err(), Some(414));
    assert!(user.socket_by_header().await.is_ok());
}
