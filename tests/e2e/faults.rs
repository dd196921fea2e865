//! Functions that die or time out during a call.

use std::time::Duration;

use local::{Clock, Options};
use serde_json::json;

use crate::harness::TestStack;

/// The timeout in the template.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_during_a_call_fails_only_that_call() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let blocked_call = proxy.hold(|call| call.operation == "Query" && call.body.contains("REQUEST#IN#"));
    let failed = tokio::spawn({
        let ana = ana.clone();
        async move { ana.get("/friends/requests").await }
    });
    let _guard = blocked_call.caught().await;
    stack.kill("friends-list-requests");
    let failed = failed.await.unwrap();
    assert_eq!((failed.status, failed.text.as_str()), (500, r#"{"message":"Internal Server Error"}"#));
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([]), "the function is restarted");
    ana.send_message(&room, "still served").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_answers_a_frame_whose_function_is_killed() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ana = ana.socket().await;
    let blocked_call = proxy.hold(|call| call.operation == "PutItem" && call.body.contains("MSG#"));
    let message =
        json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});
    at_ana.send("send_message", message.clone()).await;
    let guard = blocked_call.caught().await;
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
async fn a_call_that_exceeds_its_timeout_fails_only_that_call() {
    let clock = Clock::default();
    let (stack, proxy) =
        TestStack::with_proxy_and(Options { clock: clock.clone(), ..Options::default() }).await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let mut at_ana = ana.socket().await;
    stack.local.settle().await;

    let blocked_call = proxy.hold(|call| call.operation == "Query" && call.body.contains("REQUEST#IN#"));
    let slow = tokio::spawn({
        let ana = ana.clone();
        async move { ana.get("/friends/requests").await }
    });
    let guard = blocked_call.caught().await;
    clock.advance(FUNCTION_TIMEOUT);
    let slow = slow.await.unwrap();
    assert_eq!((slow.status, slow.text.as_str()), (500, r#"{"message":"Internal Server Error"}"#));
    drop(guard);
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([]), "the function is restarted");

    let blocked_call = proxy.hold(|call| call.operation == "PutItem" && call.body.contains("MSG#"));
    let message =
        json!({"chat_room_id": room, "content": "hello", "client_message_id": "c-1", "after_seq": 0});
    at_ana.send("send_message", message.clone()).await;
    let guard = blocked_call.caught().await;
    clock.advance(FUNCTION_TIMEOUT);
    assert_eq!(at_ana.next().await["message"], "Internal server error");
    drop(guard);
    at_ana.send("send_message", message).await;
    assert_eq!(at_ana.expect("message_sent").await["data"]["seq"], 1);
    proxy.settled().await;
    assert_eq!(ben.history(&room).await.len(), 1);
}
