//! Device registration, push tokens and signing out.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, TestStack, make_friends};

fn device() -> (String, String) {
    let id = Uuid::new_v4().to_string();
    (format!("/devices/{id}"), id)
}

/// The push token of a user's device in the table.
async fn token_of(stack: &TestStack, user: &Actor, id: &str) -> Value {
    let key = json!({"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": format!("DEVICE#{id}")}});
    stack.database("GetItem", json!({"Key": key})).await["Item"]["push_token"]["S"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_closes_only_the_connections_of_that_device() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    make_friends(&ana, &ben).await;
    let room = ana.room_with(&ben).await;
    let mut at_ben = ben.socket().await;
    stack.local.settle().await;
    let ((phone, phone_id), (tablet, tablet_id)) = (device(), device());
    ana.register(&phone, "phone").await.nothing();
    ana.register(&tablet, "tablet").await.nothing();
    let mut at_phone = ana.socket_of(&phone_id).await;
    at_ben.expect("user_status_change").await;
    // One connection names its device only in `hello`, and another one names none.
    let mut by_hello = ana.try_socket().await.unwrap_or_else(|status| panic!("{status}"));
    by_hello.send("hello", json!({"device_id": phone_id})).await;
    by_hello.expect("connection_established").await;
    let (mut at_tablet, other) = (ana.socket_of(&tablet_id).await, ana.socket().await);

    ana.delete(&phone).await.nothing();
    at_phone.closed().await;
    by_hello.closed().await;
    ben.send_message(&room, "still there?").await;
    assert_eq!(at_tablet.expect("new_message").await["data"]["content"], "still there?");
    at_ben.expect("new_message").await;
    at_ben.expect_nothing_more().await;
    assert_eq!(token_of(&stack, &ana, &phone_id).await, Value::Null);
    assert_eq!(token_of(&stack, &ana, &tablet_id).await, "tablet");

    other.close().await;
    stack.local.settle().await;
    ana.delete(&tablet).await.nothing();
    at_tablet.closed().await;
    assert_eq!(at_ben.expect("user_status_change").await["data"]["is_online"], false);
    for device in [phone, tablet] {
        ana.delete(&device).await.nothing();
    }
    stack.local.settle().await;
    at_ben.expect_nothing_more().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_cannot_sign_out_a_device_of_another_user() {
    let stack = TestStack::new().await;
    let [ana, eve] = stack.actors(["ana", "eve"]).await;
    let (path, id) = device();
    ana.register(&path, "phone").await.nothing();
    let mut at_ana = ana.socket_of(&id).await;
    eve.delete(&path).await.nothing();
    at_ana.expect_nothing_more().await;
    assert_eq!(token_of(&stack, &ana, &id).await, "phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_token_belongs_to_the_last_user_and_device_that_registered_it() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let (path, id) = device();
    ana.register(&path, "phone").await.nothing();
    ben.register(&path, "phone").await.nothing();
    assert_eq!(token_of(&stack, &ana, &id).await, Value::Null);
    assert_eq!(token_of(&stack, &ben, &id).await, "phone");
    ana.delete(&path).await.nothing();
    assert_eq!(token_of(&stack, &ben, &id).await, "phone");
    let (other, other_id) = device();
    ben.register(&other, "phone").await.nothing();
    assert_eq!(token_of(&stack, &ben, &id).await, Value::Null);
    assert_eq!(token_of(&stack, &ben, &other_id).await, "phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_devices_is_the_users_own_and_contains_no_push_token() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    assert_eq!(ana.get("/devices").await.ok(), json!([]));
    let ((phone, phone_id), (tablet, tablet_id), (bens, _)) = (device(), device(), device());
    ana.register(&phone, "secret-of-the-phone").await.nothing();
    ana.call(Method::PUT, &tablet, Some(json!({"platform": "web"}).to_string())).await.nothing();
    ben.register(&bens, "secret-of-ben").await.nothing();
    let listed = ana.get("/devices").await;
    assert!(!listed.text.contains("secret"), "{}", listed.text);
    let shown =
        |device: &Value| [&device["id"], &device["platform"], &device["has_push_token"]].map(Value::clone);
    let expected =
        [[json!(tablet_id), json!("web"), json!(false)], [json!(phone_id), json!("android"), json!(true)]];
    assert_eq!(listed.ok().as_array().unwrap().iter().map(shown).collect::<Vec<_>>(), expected);
    // The token moves to another user's device.
    ben.register(&bens, "secret-of-the-phone").await.nothing();
    ana.delete(&tablet).await.nothing();
    let left = ana.get("/devices").await.ok();
    assert_eq!(
        left.as_array().unwrap().iter().map(shown).collect::<Vec<_>>(),
        [[json!(phone_id), json!("android"), json!(false)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_devices_are_rejected() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let (path, id) = device();
    let put = async |path: &str, body: Value| ana.call(Method::PUT, path, Some(body.to_string())).await;
    for (body, field) in [
        (json!({}), "platform"),
        (json!({"platform": "desktop"}), "platform"),
        (json!({"platform": "ios", "push_token": ""}), "push_token"),
        (json!({"platform": "ios", "push_token": 7}), "push_token"),
        (json!({"platform": "ios", "push_token": "a\nb"}), "push_token"),
        (json!({"platform": "ios", "push_token": "x".repeat(4097)}), "push_token"),
    ] {
        put(&path, body).await.bad_field(field);
    }
    put("/devices/phone", json!({"platform": "ios"})).await.bad_field("device_id");
    put(&path, json!({"platform": "ios", "push_token": "x".repeat(4096)})).await.nothing();
    put(&path, json!({"platform": "ios"})).await.nothing();
    assert_eq!(token_of(&stack, &ana, &id).await, Value::Null);
    let mut socket = ana.socket_of("phone").await;
    socket.send("hello", json!({"device_id": "phone"})).await;
    assert_eq!(socket.expect("error").await["data"]["code"], "validation_failed");
}
