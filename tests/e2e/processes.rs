//! The `local` command: its ready file, graceful shutdown and abrupt termination.

use std::os::unix::fs::symlink;

use local::Options;
use serde_json::Value;

use crate::{
    harness::{
        TestStack,
        process::{Process, serve},
    },
    names::binaries,
};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_survive_a_graceful_shutdown_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for (signal, code) in [("TERM", Some(0)), ("KILL", None), ("INT", Some(0))] {
        let stack = Process::start(folder.path()).await;
        assert_eq!(stack.ready["pid"], stack.child.id().unwrap());
        let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
        let room = ana.room_with(&ben).await;
        assert_eq!(ben.history(&room).await.len(), sent.len(), "before the {signal}");
        let mut at_ben = ben.socket().await;
        for n in 0..10 {
            sent.push(ana.send_message(&room, &format!("{signal} {n}")).await["id"].clone());
            at_ben.expect("new_message").await;
        }
        let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids, sent);
        assert_eq!(stack.end(signal).await, code, "{signal}");
    }
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_a_build_of_its_function_runs_the_new_program() {
    let (folder, built) = (tempfile::tempdir().unwrap(), local::binaries_beside_this_program());
    for name in binaries().keys() {
        symlink(built.join(name), folder.path().join(name)).unwrap();
    }
    let stack = TestStack::with(Options { binaries: folder.path().to_owned(), ..Options::default() }).await;
    let ana = stack.actor("ana").await;
    let processes = async || {
        ana.get("/users/me").await.ok();
        stack.local.function_pids("users-get-me")
    };
    let first = processes().await;
    assert_eq!(processes().await, first);
    // As the linker does: a new file in the place of the old one.
    let (program, copy) = (folder.path().join("users-get-me"), folder.path().join("copy"));
    std::fs::copy(&program, &copy).unwrap();
    std::fs::rename(copy, program).unwrap();
    let second = processes().await;
    assert!(second.iter().any(|pid| !first.contains(pid)), "{second:?}");
    assert_eq!(processes().await.last(), second.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_prints_one_error_line() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stack = Process::start(folder.path()).await;
    let used = stack.http();
    for (http, data, reason) in [(used, other.path(), used), ("127.0.0.1:0", folder.path(), "in use")] {
        let failed = serve(http, data).arg("--no-demo").output().await.unwrap();
        let error = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{error}");
        assert!(
            error.starts_with("error: ") && error.contains(reason) && error.lines().count() == 1,
            "{error}"
        );
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_sends_in_flight_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let (acknowledged, mut received) = tokio::sync::mpsc::unbounded_channel();
    let sender = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move {
            for n in 0.. {
                let message = serde_json::json!({"chat_room_id": room, "content": n.to_string()}).to_string();
                match ana.try_call(reqwest::Method::POST, "/chat/messages", Some(message)).await {
                    Ok(answer) if answer.status == 200 => drop(acknowledged.send(answer.ok()["id"].clone())),
                    _ => return,
                }
            }
        }
    });
    let mut ids = Vec::new();
    while ids.len() < 20 {
        ids.push(received.recv().await.unwrap());
    }
    stack.end("KILL").await;
    sender.await.unwrap();
    while let Some(id) = received.recv().await {
        ids.push(id);
    }
    let stack = Process::start(folder.path()).await;
    let ben = stack.actor("ben").await;
    let kept: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(kept[..ids.len()], ids);
    assert!(kept.len() <= ids.len() + 1, "at most one unacknowledged message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_or_invalid_option_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (option, value, reason) in [
        ("--env", "RATE_LIMTS=off", "no function has a variable RATE_LIMTS; do you mean RATE_LIMITS?"),
        ("--env", "FOO=1", "no function has a variable FOO"),
        ("--env", "RATE_LIMITS=many", "does not accept its configuration"),
        ("--env", "JWT_ISSUERS=[{]", "JWT_ISSUERS"),
        ("--param", "RateLimit=off", "the template has no parameter RateLimit; do you mean RateLimits?"),
        ("--param", "LogRetentionDays=2", "the parameter LogRetentionDays must be one of"),
        ("--param", "JwtIssuers=x", "JWT_ISSUERS"),
    ] {
        let failed =
            serve("127.0.0.1:0", folder.path()).args(["--no-demo", option, value]).output().await.unwrap();
        let error = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{value}: {error}");
        assert!(error.starts_with("error: ") && error.contains(reason), "{value}: {error}");
    }
}
