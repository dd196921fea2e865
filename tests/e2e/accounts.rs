//! Who may come in, and as whom.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{Actor, TestStack, in_seconds, signed};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nobody_gets_in_by_either_door() {
    let stack = TestStack::new().await;
    let id = Uuid::new_v4();
    let good = json!({"sub": id, "user_id": id, "exp": in_seconds(3600)});
    let expired = json!({"sub": id, "user_id": id, "exp": in_seconds(-3600)});
    let secret = stack.local.jwt_secret();
    let cases = [
        (None, "invalid_token"),
        (Some("nonsense".to_owned()), "invalid_token"),
        (Some(signed("another secret, of more than 32 bytes", &good)), "invalid_token"),
        (Some(signed(secret, &json!({"sub": id}))), "invalid_token"),
        (Some(signed(secret, &expired)), "token_expired"),
    ];
    for (token, code) in cases {
        let stranger = stack.stranger(token.as_deref());
        stranger.get("/users/me").await.problem(401, code);
        stranger.get("/friends/").await.problem(401, code);
        assert_eq!(stranger.try_socket().await.err(), Some(401), "{token:?}");
    }
    let welcome = stack.stranger(Some(&signed(secret, &good)));
    welcome.get("/users/me").await.ok();
    assert!(welcome.try_socket().await.is_ok());
    assert!(welcome.socket_by_header().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_token_is_the_same_person_and_a_first_visit_makes_the_profile() {
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
async fn someone_who_first_comes_by_socket_has_a_profile_too() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let id = Uuid::new_v4();
    let claims = json!({"sub": id, "username": "socketeer", "name": "Sock", "exp": in_seconds(3600)});
    let newcomer = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    newcomer.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
    let found = ana.get("/friends/search?query=socketeer").await.ok();
    assert_eq!((&found[0]["id"], &found[0]["display_name"]), (&json!(id), &json!("Sock")));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_one_name_get_two_usernames() {
    let stack = TestStack::new().await;
    let secret = stack.local.jwt_secret();
    let people = [Uuid::new_v4(), Uuid::new_v4()].map(|id| {
        let claims = json!({"sub": id, "username": "Sam", "exp": in_seconds(3600)});
        stack.stranger(Some(&signed(secret, &claims)))
    });
    let name =
        async |person: &Actor| person.get("/users/me").await.ok()["username"].as_str().unwrap().to_owned();
    let (first, second) = tokio::join!(name(&people[0]), name(&people[1]));
    assert_ne!(first, second);
    assert!(first == "Sam" || second == "Sam");
    assert!(first.starts_with("Sam") && second.starts_with("Sam"), "{first}, {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_opens_no_connection() {
    let stack = TestStack::new().await;
    let id = Uuid::new_v4();
    // The minute's leeway lets this token in, although it is over.
    let claims = json!({"sub": id, "username": "late", "exp": in_seconds(-30)});
    let late = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    late.get("/users/me").await.ok();
    assert_eq!(late.try_socket().await.err(), Some(401), "a socket must outlive its handshake");
}
