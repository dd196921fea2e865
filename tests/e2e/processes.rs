//! The command itself: ready file, orderly stop, sudden death.

use serde_json::Value;

use crate::harness::process::{Process, serve};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_an_orderly_stop_and_a_sudden_death() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    for (signal, code) in [("TERM", Some(0)), ("KILL", None), ("INT", Some(0))] {
        let stack = Process::start(folder.path()).await;
        assert_eq!(stack.ready["pid"], stack.child.id().unwrap());
        let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
        let room = ana.room_with(&ben).await;
        assert_eq!(ben.history(&room).await.len(), said.len(), "before the {signal}");
        let mut at_ben = ben.socket().await;
        for n in 0..10 {
            said.push(ana.send_message(&room, &format!("{signal} {n}")).await["id"].clone());
            at_ben.expect("new_message").await;
        }
        let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids, said);
        assert_eq!(stack.end(signal).await, code, "{signal}");
    }
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let ids: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_a_start_is_said_in_one_sentence() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stack = Process::start(folder.path()).await;
    let taken = stack.http();
    for (http, data, complaint) in [(taken, other.path(), taken), ("127.0.0.1:0", folder.path(), "in use")] {
        let refused = serve(http, data).arg("--no-demo").output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains(complaint) && said.lines().count() == 1,
            "{said}"
        );
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_in_flight_at_a_sudden_death_are_there_if_they_were_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Process::start(folder.path()).await;
    let (ana, ben) = (stack.actor("ana").await, stack.actor("ben").await);
    let room = ana.room_with(&ben).await;
    let (acknowledged, mut count) = tokio::sync::mpsc::unbounded_channel();
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
        ids.push(count.recv().await.unwrap());
    }
    stack.end("KILL").await;
    sender.await.unwrap();
    while let Some(id) = count.recv().await {
        ids.push(id);
    }
    let stack = Process::start(folder.path()).await;
    let ben = stack.actor("ben").await;
    let kept: Vec<Value> = ben.history(&room).await.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(kept[..ids.len()], ids);
    assert!(kept.len() <= ids.len() + 1, "at most the one that was not acknowledged");
}
