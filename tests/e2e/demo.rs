//! The demo users and the `token` subcommand of the `local` command, and its log.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};

use crate::harness::{
    Actor, PATIENCE,
    process::{Process, end, local, log_of, serve},
};

const USERS: [&str; 5] = ["ana", "ben", "chloe", "dev", "elif"];

/// Everything that a user sees, without the ids and times, which differ between stacks.
async fn seen_by(actor: &Actor) -> Value {
    let me = actor.get("/users/me").await.ok();
    let field_of = |list: Value, field: &str| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
    };
    let friends = field_of(actor.get("/friends/").await.ok(), "username");
    let received = field_of(actor.get("/friends/requests").await.ok(), "sender_username");
    let sent = field_of(actor.get("/friends/requests?direction=sent").await.ok(), "receiver_username");
    let mut rooms = Vec::new();
    for room in actor.get("/chat/rooms").await.ok().as_array().unwrap() {
        let messages = actor.history(room["id"].as_str().unwrap()).await;
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| json!([message["sender_username"], message["content"], message["status"]]))
            .collect();
        let members = field_of(room["participants"].clone(), "username");
        let (name, unread) = (&room["name"], &room["unread_count"]);
        rooms.push(json!({"name": name, "members": members, "unread": unread, "messages": messages}));
    }
    json!({"name": me["display_name"], "avatar": me["avatar_url"], "friends": friends, "received": received,
        "sent": sent, "rooms": rooms})
}

async fn seen_by_all(stack: &Process) -> Vec<Value> {
    let mut all = Vec::new();
    for name in USERS {
        all.push(seen_by(&stack.actor(name).await).await);
    }
    all
}

/// Asserts that the messages of each room have ascending times over several days, none in the future.
async fn assert_messages_over_days(user: &Actor) {
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let now = Clock::system().now();
    let mut days = BTreeSet::new();
    for room in user.get("/chat/rooms").await.ok().as_array().unwrap() {
        let messages = user.history(room["id"].as_str().unwrap()).await;
        let times: Vec<Timestamp> = messages.iter().map(|message| time(&message["created_at"])).collect();
        assert!(times.is_sorted() && times.iter().all(|time| *time <= now), "{times:?}");
        assert!(time(&room["created_at"]) <= times[0]);
        days.extend(times.iter().map(|time| time.to_string()[..10].to_owned()));
    }
    assert!(days.len() >= 4, "{days:?}");
    let since = time(&user.get("/friends/").await.ok()[0]["created_at"]);
    assert!(now.since(since).num_days() >= 5);
}

async fn start(folder: &Path) -> Process {
    Process::start_with(folder, &[], Stdio::null()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_creates_connected_demo_users_and_the_second_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = start(folder.path()).await;
    let all = seen_by_all(&stack).await;
    for field in ["name", "avatar"] {
        let values: BTreeSet<&str> = all.iter().map(|user| user[field].as_str().unwrap()).collect();
        assert_eq!(values.len(), USERS.len(), "each {field} is unique");
    }
    let ana = &all[0];
    assert_eq!(ana["friends"], json!(["ben", "chloe"]));
    assert_eq!((&ana["received"], &ana["sent"]), (&json!(["dev"]), &json!(["elif"])));
    let rooms = ana["rooms"].as_array().unwrap();
    let with_ben = rooms.iter().find(|room| room["members"] == json!(["ana", "ben"])).unwrap();
    assert!(with_ben["messages"].as_array().unwrap().len() > 10);
    assert_eq!((&with_ben["unread"], &with_ben["name"]), (&json!(2), &Value::Null));
    let group = rooms.iter().find(|room| !room["name"].is_null()).unwrap();
    assert_eq!(group["members"], json!(["ana", "ben", "chloe"]));
    assert_messages_over_days(&stack.actor("ana").await).await;
    assert_eq!(stack.end("TERM").await, Some(0));

    let stack = start(folder.path()).await;
    assert_eq!(seen_by_all(&stack).await, all);
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_creation_of_demo_users_completes_with_the_same_users() {
    let folder = tempfile::tempdir().unwrap();
    // The number of logged calls before each kill. Each start gets further than the previous one.
    for calls in [1, 7, 20, 30, 40, 48] {
        let mut command = serve("127.0.0.1:0", folder.path());
        command.env("RUST_LOG", "function=info").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = log_of(&mut child);
        for _ in 0..calls {
            let line = tokio::time::timeout(PATIENCE, log.next_line()).await.unwrap().unwrap();
            assert!(line.is_some(), "the creation is killed before it completes");
        }
        assert_eq!(end(child, "KILL").await, None);
        // On a busy machine, the creation can complete before the kill.
        match std::fs::read_to_string(folder.path().join("data/demo")).unwrap().as_str() {
            "begun" => {}
            state => {
                assert_eq!(state, "done");
                break;
            }
        }
    }
    let stack = start(folder.path()).await;
    let reference_folder = tempfile::tempdir().unwrap();
    let reference = start(reference_folder.path()).await;
    assert_eq!(seen_by_all(&stack).await, seen_by_all(&reference).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_demo_creates_no_demo_users() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--no-demo"][..], &[]] {
        // The second start finds existing data, so it creates none either.
        let stack = Process::start_with(folder.path(), arguments, Stdio::null()).await;
        let user = stack.actor("someone").await;
        for name in USERS {
            assert_eq!(user.get(&format!("/friends/search?query={name}")).await.ok(), json!([]));
        }
        assert_eq!(stack.end("TERM").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_subcommand_prints_only_the_token() {
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
    // The address may be a URL or a host name.
    for http in [stack.http().replace("127.0.0.1", "localhost"), format!("http://{}/", stack.http())] {
        assert!(local(&["token", "--http", &http, "ana"]).output().await.unwrap().status.success(), "{http}");
    }
    for (name, http, expected) in [
        ("ana", port.as_str(), "no stack runs at"),
        ("ana", ws, "is no local stack"),
        ("a b", stack.http(), "`username` may have"),
    ] {
        let output = local(&["token", name, "--http", http]).output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(output.stdout.is_empty());
        assert!(
            error.starts_with("error: ") && error.contains(expected) && error.lines().count() == 1,
            "{error}"
        );
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_one_log_line_without_its_query() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Process::start_with(folder.path(), &["--no-demo"], Stdio::piped()).await;
    let mut log = log_of(&mut stack.child);
    let ana = stack.actor("ana").await;
    ana.get("/friends/search?query=secret").await.ok();
    ana.socket().await;
    let mut invalid = ana;
    invalid.token = Some("bad".to_owned());
    assert_eq!(invalid.try_socket().await.err(), Some(401));
    assert_eq!(stack.end("TERM").await, Some(0));
    let mut lines = Vec::new();
    while let Some(line) = log.next_line().await.unwrap() {
        lines.push(line);
    }
    let text = lines.join("\n");
    assert!(!text.contains("secret") && !text.contains("eyJ") && !text.contains('\u{1b}'), "{text}");
    let lines_of = |call: &str| -> Vec<&String> {
        lines.iter().filter(|line| line.split("  ").nth(1).is_some_and(|part| part == call)).collect()
    };
    for (call, function) in [
        ("GET /api/v1/friends/search", "friends-search-users"),
        ("$connect", "socket-connect"),
        ("hello", "socket-hello"),
        ("$disconnect", "socket-disconnect"),
    ] {
        let [line] = lines_of(call)[..] else { panic!("one line for {call}: {text}") };
        let parts: Vec<&str> = line.split("  ").collect();
        assert_eq!(parts[2..4], [function, "200"], "{line}");
        assert!(
            parts[4].ends_with(" ms") && parts[5].ends_with(" RCU") && parts[6].ends_with(" WCU"),
            "{line}"
        );
        assert_eq!(parts[7].len(), 36, "{line}");
    }
    let [_, rejected] = lines_of("authorize")[..] else { panic!("one line for each handshake: {text}") };
    assert!(rejected.contains("  socket-authorize  401  "), "{rejected}");
}
