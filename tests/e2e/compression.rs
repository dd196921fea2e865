//! Responses are compressed for clients that accept it, through the gateway.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::harness::TestStack;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_response_is_compressed_for_a_client_that_accepts_gzip() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    for n in 1..=20 {
        ana.send_message(&room, &format!("Привет {n}, up for a run?")).await;
    }
    let client = reqwest::Client::new();
    let get = async |path: &str, accepted: Option<&str>| {
        let url = format!("{}/api/v1{path}", stack.local.http_url());
        let mut request = client.get(url).bearer_auth(ana.token.as_ref().unwrap());
        if let Some(accepted) = accepted {
            request = request.header("accept-encoding", accepted);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.headers().clone(), response.bytes().await.unwrap())
    };
    let history = format!("/chat/rooms/{room}/messages");
    let (status, headers, plain) = get(&history, None).await;
    assert_eq!((status.as_u16(), headers.get("content-encoding")), (200, None));
    assert_eq!(headers["vary"], "accept-encoding");
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    let messages: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(messages.as_array().unwrap().len(), 20);

    for accepted in ["gzip", "br;q=1.0, GZIP;q=0.8, *;q=0.1", "*"] {
        let (status, headers, body) = get(&history, Some(accepted)).await;
        assert_eq!((status.as_u16(), &headers["content-encoding"]), (200, &"gzip".parse().unwrap()));
        assert_eq!(headers["vary"], "accept-encoding");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert_eq!(headers["content-length"], body.len().to_string());
        assert!(body.len() < plain.len() / 4, "{} of {}", body.len(), plain.len());
        let mut text = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text, plain);
    }
    for accepted in ["br", "identity", "gzip;q=0, *"] {
        let (_, headers, body) = get(&history, Some(accepted)).await;
        assert_eq!((headers.get("content-encoding"), body == plain), (None, true), "{accepted}");
    }
    let (_, headers, body) = get("/users/me", Some("gzip")).await;
    assert!(body.len() < 2048 && !headers.contains_key("content-encoding") && !headers.contains_key("vary"));
    let (status, headers, _) = get("/chat/rooms/gym", Some("gzip")).await;
    assert_eq!(status.as_u16(), 422);
    assert_eq!(headers["content-type"], "application/problem+json; charset=utf-8");
}
