//! The smoke test of a deployment, against the local stack.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{TestStack, in_seconds, process::local, signed};

/// What EventBridge sends.
const EVENT: &str = include_str!("../../events/maintenance/complete-deletions.json");

/// The output of `local smoke` for three tokens, and whether it succeeds.
async fn smoke(stack: &TestStack, tokens: [&str; 3], ws: &str) -> (bool, String) {
    let mut arguments = vec!["smoke", "--http", stack.local.http_url(), "--ws", ws];
    arguments.extend(tokens.iter().flat_map(|token| ["--token", token]));
    let output = local(&arguments).output().await.unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smoke_test_passes_twice_and_the_schedule_leaves_nothing_of_the_deleted_account() {
    let stack = TestStack::new().await;
    let token = |claims| signed(stack.local.jwt_secret(), &claims);
    let user = |name: &str| token(json!({"sub": Uuid::new_v4(), "username": name, "exp": in_seconds(3600)}));
    let (ana, ben) = (user("ana"), user("ben"));
    for _ in 0..2 {
        let claims =
            json!({"sub": Uuid::new_v4(), "name": "Zoë 日本", "iat": in_seconds(0), "exp": in_seconds(3600)});
        let (succeeds, text) = smoke(&stack, [&ana, &ben, &token(claims)], stack.local.ws_url()).await;
        assert!(succeeds && text.matches("ok  ").count() == 6, "{text}");
        let run = stack.local.invoke("maintenance-complete-deletions", EVENT).await;
        assert!(run.is_ok(), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smoke_test_names_what_fails() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let [ana, ben] = [&ana, &ben].map(|user| user.token.clone().unwrap());
    let (succeeds, text) = smoke(&stack, [&ana, &ben, &ben], stack.local.ws_url()).await;
    assert!(
        !succeeds && text.contains("FAILED  a first contact") && text.contains("the profile has the name"),
        "{text}"
    );
    let (succeeds, text) = smoke(&stack, ["x", &ben, &ben], stack.local.ws_url()).await;
    assert!(!succeeds && text.contains("FAILED  a query") && text.contains("401"), "{text}");
}
