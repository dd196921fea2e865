//! Forged tokens: the HTTP API and the socket reject each, and the log contains none.

mod forge;
mod table;

use std::{collections::BTreeSet, process::Stdio};

use reqwest::{RequestBuilder, Url};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    harness::{
        AUDIENCE, Actor, Socket, http_client,
        process::{Process, log_of},
    },
    key_pair::KeyPair,
};
use forge::{BACKEND, NEXT_SECRET, SECRET, Scene, backend_claims, hmac};
use table::forgeries;

/// Starts a stack that trusts the scene's issuers, and collects its log.
async fn start(scene: &Scene) -> (Process, JoinHandle<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let issuers = json!([scene.issuer.config(), scene.other.config()]).to_string();
    let variables = [
        ("JWT_SECRET", SECRET),
        ("JWT_NEXT_SECRET", NEXT_SECRET),
        ("JWT_ISSUER", BACKEND),
        ("JWT_AUDIENCE", AUDIENCE),
        ("JWT_ISSUERS", &issuers),
    ];
    let variables = variables.map(|(name, value)| format!("--env={name}={value}"));
    let arguments: Vec<&str> =
        ["--no-demo"].into_iter().chain(variables.iter().map(String::as_str)).collect();
    let mut stack = Process::start_with(folder.path(), &arguments, Stdio::piped()).await;
    let mut lines = log_of(&mut stack.child);
    let log = tokio::spawn(async move {
        let mut log = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            log.push_str(&line);
            log.push('\n');
        }
        log
    });
    (stack, log, folder)
}

/// The statuses of a token: of a call of the HTTP API, and of a handshake with the token in the query.
async fn statuses_of(stack: &Process, token: &str) -> (u16, u16) {
    let (http, ws) = (stack.ready["http"].as_str().unwrap(), stack.ready["ws"].as_str().unwrap());
    let rest = Actor::with_token(http_client(), http, ws, Some(token)).get("/users/me").await;
    if rest.status != 200 {
        let problem: serde_json::Value = serde_json::from_str(&rest.text).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        assert!(["invalid_token", "token_expired"].contains(&code), "{token}: {}", rest.text);
    }
    let mut url = Url::parse(ws).unwrap();
    url.query_pairs_mut().append_pair("token", token);
    // The gateway accepts a longer token only in the header.
    let socket = if url.as_str().len() > 4000 {
        Socket::connect(ws, Some(token)).await
    } else {
        Socket::connect(url.as_str(), None).await
    };
    (rest.status, socket.err().unwrap_or(101))
}

/// A valid token of each issuer and each of its keys.
fn valid_tokens(scene: &Scene) -> Vec<String> {
    let by = |pair: &KeyPair| pair.sign(&scene.claims());
    vec![
        by(&scene.rsa),
        by(&scene.ec),
        scene.other_key.sign(&scene.other.claims("108")),
        hmac(SECRET, r#"{"alg":"HS256"}"#, &backend_claims().to_string()),
        // The issuer's only key for an algorithm needs no key id, and other header fields are ignored.
        forge::signed(
            &scene.ec,
            r#"{"alg":"ES256","typ":"at+JWT","jku":"https://x.example"}"#,
            &scene.claims().to_string(),
        ),
        hmac(SECRET, r#"{"alg":"HS256","typ":"application/at+jwt"}"#, &backend_claims().to_string()),
        // During a rotation, a second secret is accepted.
        hmac(NEXT_SECRET, r#"{"alg":"HS256","typ":"application/JWT"}"#, &backend_claims().to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_rejected_and_no_token_is_logged() {
    let scene = Scene::new().await;
    let (stack, log, _folder) = start(&scene).await;
    let valid = valid_tokens(&scene);
    for token in &valid {
        assert_eq!(statuses_of(&stack, token).await, (200, 101), "{token}");
    }
    let forged = forgeries(&scene);
    let names: BTreeSet<_> = forged.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), forged.len(), "each name is unique");
    assert!(forged.len() >= 150, "{}", forged.len());
    let mut accepted = Vec::new();
    for (name, token) in &forged {
        let statuses = statuses_of(&stack, token).await;
        if statuses != (401, 401) {
            accepted.push((name, statuses));
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
    assert_eq!(scene.forger_site.asked(), 0, "no URL in a token is requested");
    assert!(scene.issuer.asked() <= 4, "{} requests by two functions", scene.issuer.asked());
    for token in &valid {
        assert_eq!(statuses_of(&stack, token).await, (200, 101), "valid tokens are still accepted");
    }

    assert_eq!(stack.end("TERM").await, Some(0));
    let log = log.await.unwrap();
    let rejected = log.lines().filter(|line| line.contains("  401  ")).count();
    assert!(rejected >= 2 * forged.len(), "{rejected} lines log a rejection:\n{log}");
    for token in forged.iter().map(|(_, token)| token).chain(&valid) {
        for part in token.split('.').filter(|part| part.len() >= 16) {
            assert!(!log.contains(part), "{part} is in the log");
        }
    }
    // All headers and claims start with `eyJ`, so the log contains no part of one either.
    assert!(!log.contains("eyJ") && !log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_in_the_wrong_place_is_rejected() {
    let scene = Scene::new().await;
    let (stack, _log, _folder) = start(&scene).await;
    let token = scene.ec.sign(&scene.claims());
    let http = http_client();
    let url = format!("{}/api/v1/users/me", stack.ready["http"].as_str().unwrap());
    let get = |url: &str| http.get(url);
    let authorized = |value: &str| get(&url).header("authorization", value);
    assert_eq!(authorized(&format!("Bearer {token}")).send().await.unwrap().status(), 200);
    let places: Vec<(&str, RequestBuilder)> = vec![
        ("nowhere", get(&url)),
        ("the query", get(&format!("{url}?token={token}"))),
        ("the query, with the parameter of OAuth", get(&format!("{url}?access_token={token}"))),
        ("a cookie", get(&url).header("cookie", format!("token={token}; access_token={token}"))),
        ("a header of another name", get(&url).header("x-authorization", format!("Bearer {token}"))),
        ("the body", get(&url).body(format!("access_token={token}"))),
        ("no scheme", authorized(&token)),
        ("another scheme", authorized(&format!("Basic {token}"))),
        ("a scheme with the same prefix", authorized(&format!("Bearers {token}"))),
        ("a colon", authorized(&format!("Bearer: {token}"))),
        ("the scheme twice", authorized(&format!("Bearer Bearer {token}"))),
        ("two tokens", authorized(&format!("Bearer {token} {token}"))),
        (
            "two headers",
            authorized(&format!("Bearer {token}")).header("authorization", format!("Bearer {token}")),
        ),
        ("a comma", authorized(&format!("Bearer {token},"))),
        ("quotes", authorized(&format!("Bearer \"{token}\""))),
        ("the scheme alone", authorized("Bearer")),
        ("the scheme and a space", authorized("Bearer ")),
        ("an empty header", authorized("")),
    ];
    for (name, request) in places {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{name}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "invalid_token", "{name}");
    }
    let ws = stack.ready["ws"].as_str().unwrap();
    let (query, header) = (format!("{ws}?token={token}"), ("authorization", format!("Bearer {token}")));
    let header = (header.0, header.1.as_str());
    let offer = |protocols: &str| protocols.replace("TOKEN", &token);
    let (both, twice) =
        (offer("athlytiq.v1, bearer.TOKEN"), offer("athlytiq.v1, bearer.TOKEN, bearer.TOKEN"));
    let protocols = |offered| ("sec-websocket-protocol", offered);
    let selected = Some("athlytiq.v1".to_owned());
    for (url, headers, expected) in [
        (query.as_str(), vec![], Ok(None)),
        (ws, vec![header], Ok(None)),
        (ws, vec![protocols(both.as_str())], Ok(selected.clone())),
        (ws, vec![header, protocols("athlytiq.v1")], Ok(selected.clone())),
        (query.as_str(), vec![protocols("athlytiq.v2, athlytiq.v1")], Ok(selected)),
        (query.as_str(), vec![protocols("athlytiq.v2")], Err(400)),
        (ws, vec![protocols(&offer("athlytiq.v2, bearer.TOKEN"))], Err(400)),
        (ws, vec![protocols(&offer("bearer.TOKEN"))], Err(400)),
        (ws, vec![protocols("athlytiq.v1")], Err(401)),
        (ws, vec![protocols(&offer("athlytiq.v1, TOKEN"))], Err(401)),
        (ws, vec![protocols(&offer("athlytiq.v1, Bearer.TOKEN"))], Err(401)),
        (ws, vec![protocols(&offer("athlytiq.v1, bearer.TOKENx"))], Err(401)),
        (ws, vec![protocols(&twice)], Err(401)),
        (ws, vec![protocols(&both), protocols(&both)], Err(401)),
        (ws, vec![header, header], Err(401)),
        (ws, vec![header, protocols(&both)], Err(401)),
        (query.as_str(), vec![header], Err(401)),
        (query.as_str(), vec![protocols(&both)], Err(401)),
    ] {
        let answer = Socket::handshake(url, &headers).await.map(|(_, selected)| selected);
        assert_eq!(answer, expected, "{url} {headers:?}");
    }
    for query in ["", "?token=", "?access_token=TOKEN", "?token=Bearer%20TOKEN", "?token=TOKEN&token=TOKEN"] {
        let url = format!("{ws}{}", query.replace("TOKEN", &token));
        assert_eq!(Socket::connect(&url, None).await.err(), Some(401), "{query}");
    }
}
