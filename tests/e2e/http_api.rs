//! Behavior of every call of the HTTP API: unknown paths, malformed bodies and CORS.

use reqwest::Method;
use serde_json::json;

use crate::harness::TestStack;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_or_method_is_a_404_problem() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    for path in ["/", "/friendz", "/friends/x/y", "/chat/rooms/", "/users/me/", "/friends//"] {
        ana.get(path).await.problem(404, "not_found");
    }
    for (method, path) in
        [(Method::POST, "/friends/"), (Method::PUT, "/users/me"), (Method::PATCH, "/chat/rooms")]
    {
        ana.call(method, path, None).await.problem(404, "not_found");
    }
    stack.stranger(None).get("/nowhere").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_a_json_object_is_rejected() {
    let stack = TestStack::new().await;
    let [ana] = stack.actors(["ana"]).await;
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "{", "null", "[]", "\"x\"", "{\"a\":1}}", "\u{feff}{}", r#"{"content":NaN}"#, &nested] {
        for path in ["/chat/messages", "/chat/rooms", "/friends/requests"] {
            ana.call(Method::POST, path, Some(body.to_owned())).await.problem(400, "malformed_json");
        }
    }
    let large = json!({"content": "x".repeat(200 * 1024)}).to_string();
    ana.call(Method::POST, "/chat/messages", Some(large)).await.problem(413, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_allows_only_the_configured_origins() {
    let stack = TestStack::new().await;
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/friends", stack.local.http_url());
    let preflight = client.request(Method::OPTIONS, &url).header("origin", "http://localhost:3000");
    let preflight = preflight.header("access-control-request-method", "GET");
    let preflight = preflight.header("access-control-request-headers", "authorization").send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "http://localhost:3000");
    let answer = client.get(&url).header("origin", "http://localhost:3000").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
    assert!(answer.headers()["access-control-expose-headers"].to_str().unwrap().contains("x-next-cursor"));
    let foreign = client.get(&url).header("origin", "https://evil.example").send().await.unwrap();
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
}
