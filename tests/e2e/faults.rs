//! Functions that die in the middle of a call.

use std::time::Duration;

use local::{Clock, Options};
use serde_json::json;

use crate::harness::TestStack;

/// As the template says.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_in_a_call_fails_that_call_and_no_other() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let held = proxy.hold(|call| call.operation == "Query" && call.body.contains("REQUEST#IN#"));
    let doomed = tokio::spawn({
        let ana = ana.clone();
        async move { ana.get("/friends/requests").await }
    });
    let _guard = held.caught().await;
    stack.kill("friends-list-requests");
    let doomed = doomed.await.unwrap();
    assert_eq!((doomed.status, doomed.text.as_str()), (500, r#"{"message":"Internal Server Error"}"#));
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([]), "started again");
    ana.send_message(&room, "all else goes on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_function_killed_in_a_call_is_answered_by_the_gateway() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ana = ana.socket().await;
    let held = proxy.hold(|call| call.operation == "PutItem" && call.body.contains("MSG#"));
    let message =
        json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});
    at_ana.send("send_message", message.clone()).await;
    let guard = held.caught().await;
    stack.kill("socket-send-message");
    let failure = at_ana.next().await;
    assert_eq!(failure["message"], "Internal server error");
    assert!(failure["connectionId"].is_string() && failure["requestId"].is_string(), "{failure}");
    at_ana.send("send_message", message).await;
    assert_eq!(at_ana.expect("message_sent").await["data"]["seq"], 1);
    drop(guard);
    proxy.settled().await;
    at_ana.expect_nothing_more().await;
    assert_eq!(ben.history(&room).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_its_function_fails_alone() {
    let clock = Clock::default();
    let (stack, proxy) =
        TestStack::with_proxy_and(Options { clock: clock.clone(), ..Options::default() }).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ana = ana.socket().await;
    stack.local.settle().await;

    let held = proxy.hold(|call| call.operation == "Query" && call.body.contains("REQUEST#IN#"));
    let slow = tokio::spawn({
        let ana = ana.clone();
        async move { ana.get("/friends/requests").await }
    });
    let guard = held.caught().await;
    clock.advance(FUNCTION_TIMEOUT);
    let slow = slow.await.unwrap();
    assert_eq!((slow.status, slow.text.as_str()), (500, r#"{"message":"Internal Server Error"}"#));
    drop(guard);
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([]), "started again");

    let held = proxy.hold(|call| call.operation == "PutItem" && call.body.contains("MSG#"));
    let message =
        json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});
    at_ana.send("send_message", message.clone()).await;
    let guard = held.caught().await;
    clock.advance(FUNCTION_TIMEOUT);
    assert_eq!(at_ana.next().await["message"], "Internal server error");
    drop(guard);
    at_ana.send("send_message", message).await;
    assert_eq!(at_ana.expect("message_sent").await["data"]["seq"], 1);
    proxy.settled().await;
    assert_eq!(ben.history(&room).await.len(), 1);
}
