//! The command's demo people and its `token`, for whoever tries the system for the first time.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};

use crate::harness::{
    Actor, PATIENCE,
    process::{Process, end, local, log_of, serve},
};

const PEOPLE: [&str; 5] = ["ana", "ben", "chloe", "dev", "elif"];

/// Everything that somebody sees, without what differs from one making to the next: ids and times.
async fn seen_by(actor: &Actor) -> Value {
    let me = actor.get("/users/me").await.ok();
    let of = |list: Value, field: &str| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
    };
    let friends = of(actor.get("/friends/").await.ok(), "username");
    let received = of(actor.get("/friends/requests").await.ok(), "sender_username");
    let sent = of(actor.get("/friends/requests?direction=sent").await.ok(), "receiver_username");
    let mut rooms = Vec::new();
    for room in actor.get("/chat/rooms").await.ok().as_array().unwrap() {
        let said = actor.history(room["id"].as_str().unwrap()).await;
        let said: Vec<Value> = said
            .iter()
            .map(|message| json!([message["sender_username"], message["content"], message["status"]]))
            .collect();
        let people = of(room["participants"].clone(), "username");
        let (name, unread) = (&room["name"], &room["unread_count"]);
        rooms.push(json!({"name": name, "people": people, "unread": unread, "said": said}));
    }
    json!({"name": me["display_name"], "face": me["avatar_url"], "friends": friends, "received": received,
        "sent": sent, "rooms": rooms})
}

async fn seen_by_all(stack: &Process) -> Vec<Value> {
    let mut all = Vec::new();
    for name in PEOPLE {
        all.push(seen_by(&stack.actor(name).await).await);
    }
    all
}

/// Every conversation of somebody's is dated in its order, over a few days, and none in the future.
async fn talked_for_days(who: &Actor) {
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let now = Clock::system().now();
    let mut days = BTreeSet::new();
    for room in who.get("/chat/rooms").await.ok().as_array().unwrap() {
        let said = who.history(room["id"].as_str().unwrap()).await;
        let times: Vec<Timestamp> = said.iter().map(|message| time(&message["created_at"])).collect();
        assert!(times.is_sorted() && times.iter().all(|said| *said <= now), "{times:?}");
        assert!(time(&room["created_at"]) <= times[0]);
        days.extend(times.iter().map(|time| time.to_string()[..10].to_owned()));
    }
    assert!(days.len() >= 4, "{days:?}");
    let since = time(&who.get("/friends/").await.ok()[0]["created_at"]);
    assert!(now.since(since).num_days() >= 5);
}

async fn start(folder: &Path) -> Process {
    Process::start_with(folder, &[], Stdio::null()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_makes_people_who_know_each_other_and_a_second_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = start(folder.path()).await;
    let all = seen_by_all(&stack).await;
    for field in ["name", "face"] {
        let values: BTreeSet<&str> = all.iter().map(|person| person[field].as_str().unwrap()).collect();
        assert_eq!(values.len(), PEOPLE.len(), "everyone has their own {field}");
    }
    let ana = &all[0];
    assert_eq!(ana["friends"], json!(["ben", "chloe"]));
    assert_eq!((&ana["received"], &ana["sent"]), (&json!(["dev"]), &json!(["elif"])));
    let rooms = ana["rooms"].as_array().unwrap();
    let with_ben = rooms.iter().find(|room| room["people"] == json!(["ana", "ben"])).unwrap();
    assert!(with_ben["said"].as_array().unwrap().len() > 10);
    assert_eq!((&with_ben["unread"], &with_ben["name"]), (&json!(2), &Value::Null));
    let group = rooms.iter().find(|room| !room["name"].is_null()).unwrap();
    assert_eq!(group["people"], json!(["ana", "ben", "chloe"]));
    talked_for_days(&stack.actor("ana").await).await;
    assert_eq!(stack.end("TERM").await, Some(0));

    let stack = start(folder.path()).await;
    assert_eq!(seen_by_all(&stack).await, all);
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_making_that_is_killed_again_and_again_ends_with_the_same_people() {
    let folder = tempfile::tempdir().unwrap();
    // Counted in calls that the log tells of; each start goes a little further than the last.
    for calls in [1, 7, 20, 30, 40, 48] {
        let mut command = serve("127.0.0.1:0", folder.path());
        command.env("RUST_LOG", "function=info").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = log_of(&mut child);
        for _ in 0..calls {
            let line = tokio::time::timeout(PATIENCE, log.next_line()).await.unwrap().unwrap();
            assert!(line.is_some(), "it is killed before it is done");
        }
        assert_eq!(end(child, "KILL").await, None);
        assert_eq!(std::fs::read_to_string(folder.path().join("data/demo")).unwrap(), "begun");
    }
    let stack = start(folder.path()).await;
    let undisturbed_folder = tempfile::tempdir().unwrap();
    let undisturbed = start(undisturbed_folder.path()).await;
    assert_eq!(seen_by_all(&stack).await, seen_by_all(&undisturbed).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_no_demo_people_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--no-demo"][..], &[]] {
        // The second start finds a folder that is in use already.
        let stack = Process::start_with(folder.path(), arguments, Stdio::null()).await;
        let someone = stack.actor("someone").await;
        for name in PEOPLE {
            assert_eq!(someone.get(&format!("/friends/search?query={name}")).await.ok(), json!([]));
        }
        assert_eq!(stack.end("TERM").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_the_terminal_is_all_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Process::start(folder.path()).await;
    let printed = local(&["token", "Ana", "--http", stack.http()]).output().await.unwrap();
    assert!(printed.status.success() && printed.stderr.is_empty());
    let token = String::from_utf8(printed.stdout).unwrap();
    let (ws, base) = (stack.ready["ws"].as_str().unwrap(), stack.ready["http"].as_str().unwrap());
    let ana = Actor::with_token(reqwest::Client::new(), base, ws, Some(token.strip_suffix('\n').unwrap()));
    assert_eq!(ana.get("/users/me").await.ok()["username"], "Ana");

    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let ws = ws.trim_start_matches("ws://").split('/').next().unwrap();
    for (name, http, complaint) in [
        ("ana", port.as_str(), "no stack runs at"),
        ("ana", ws, "is no local stack"),
        ("a b", stack.http(), "`username` may have"),
    ] {
        let refused = local(&["token", name, "--http", http]).output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(refused.stdout.is_empty());
        assert!(
            said.starts_with("error: ") && said.contains(complaint) && said.lines().count() == 1,
            "{said}"
        );
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_one_line_of_the_log_and_holds_no_query() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Process::start_with(folder.path(), &["--no-demo"], Stdio::piped()).await;
    let mut log = log_of(&mut stack.child);
    let ana = stack.actor("ana").await;
    ana.get("/friends/search?query=secret").await.ok();
    ana.socket().await;
    let mut stranger = ana;
    stranger.token = Some("bad".to_owned());
    assert_eq!(stranger.try_socket().await.err(), Some(401));
    assert_eq!(stack.end("TERM").await, Some(0));
    let mut lines = Vec::new();
    while let Some(line) = log.next_line().await.unwrap() {
        lines.push(line);
    }
    let text = lines.join("\n");
    assert!(!text.contains("secret") && !text.contains("eyJ") && !text.contains('\u{1b}'), "{text}");
    let of = |call: &str| -> Vec<&String> {
        lines.iter().filter(|line| line.split("  ").nth(1).is_some_and(|part| part == call)).collect()
    };
    for (call, function) in [
        ("GET /api/v1/friends/search", "friends-search-users"),
        ("$connect", "socket-connect"),
        ("hello", "socket-hello"),
        ("$disconnect", "socket-disconnect"),
    ] {
        let [line] = of(call)[..] else { panic!("one line for {call}: {text}") };
        let parts: Vec<&str> = line.split("  ").collect();
        assert_eq!(parts[2..4], [function, "200"], "{line}");
        assert!(
            parts[4].ends_with(" ms") && parts[5].ends_with(" RCU") && parts[6].ends_with(" WCU"),
            "{line}"
        );
        assert_eq!(parts[7].len(), 36, "{line}");
    }
    let [_, refused] = of("authorize")[..] else { panic!("one line for each handshake: {text}") };
    assert!(refused.contains("  socket-authorize  401  "), "{refused}");
}
