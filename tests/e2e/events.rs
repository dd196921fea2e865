//! The sample events of `events/`: one for each function, each with its expected answer.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use local::{Options, project_root};
use serde_json::{Value, json};

use crate::{
    harness::{Actor, TestStack, make_friends},
    names::{binaries, function_id, routes},
};

/// Ids in the samples that never exist, because real ids are partly random.
const SAMPLE_REQUEST: &str = "019b76da-a800-7000-8000-000000000001";
const SAMPLE_MESSAGE: &str = "019b76da-a800-8000-8000-000000010001";
const SAMPLE_GROUP: &str = "019b76da-a800-4000-8000-000000000001";

/// `events/friends/send-request.json` for `friends-send-request`.
fn file(binary: &str) -> String {
    format!("events/{}.json", binary.replacen('-', "/", 1))
}

pub fn sample(binary: &str) -> String {
    let file = file(binary);
    std::fs::read_to_string(project_root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

async fn invoke(stack: &TestStack, binary: &str) -> Value {
    invoke_with(stack, binary, sample(binary)).await
}

async fn invoke_with(stack: &TestStack, binary: &str, event: String) -> Value {
    serde_json::from_slice(&stack.local.invoke(binary, event).await.unwrap()).unwrap()
}

/// Calls a function of the HTTP API with its sample. Asserts the status and returns the body.
async fn call(stack: &TestStack, binary: &str, status: u16) -> Value {
    body(&invoke(stack, binary).await, status)
}

/// Calls a function with its sample, whose id does not exist, and then with an existing id in its place.
async fn call_with_id(stack: &TestStack, binary: &str, sample_id: &str, id: &str) -> Value {
    assert_eq!(call(stack, binary, 404).await["code"], "not_found", "{binary}");
    let event = sample(binary);
    assert!(event.contains(sample_id), "{binary}");
    invoke_with(stack, binary, event.replace(sample_id, id)).await
}

#[track_caller]
fn body(answer: &Value, status: u16) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    let body = answer["body"].as_str().unwrap();
    if answer["isBase64Encoded"] != true {
        return serde_json::from_str(body).unwrap();
    }
    // The samples accept gzip.
    assert_eq!(answer["headers"]["content-encoding"], "gzip");
    serde_json::from_reader(GzDecoder::new(&STANDARD.decode(body).unwrap()[..])).unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// The two users of the samples.
async fn ana_and_ben(stack: &TestStack) -> [Actor; 2] {
    stack.actors(["ana", "ben"]).await
}

#[test]
fn each_function_has_exactly_one_sample_event() {
    let mut found = BTreeSet::new();
    for domain in std::fs::read_dir(project_root().join("events")).unwrap() {
        for file in std::fs::read_dir(domain.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            found.insert(file.strip_prefix(project_root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, binaries().keys().map(|binary| file(binary)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_users_and_friends_have_the_expected_answers() {
    let stack = TestStack::new().await;
    let [ana, ben] = ana_and_ben(&stack).await;
    let me = call(&stack, "users-get-me", 200).await;
    assert_eq!((&me["id"], &me["username"]), (&json!(ana.id), &json!("ana")));
    let me = call(&stack, "users-update-me", 200).await;
    assert_eq!((&me["display_name"], &me["username"]), (&json!("Ana Silva"), &json!("ana")));
    assert_eq!(call(&stack, "users-get", 200).await["id"], ben.id);
    assert_eq!(ids(&call(&stack, "friends-search-users", 200).await), [ben.id.as_str()]);

    let request = call(&stack, "friends-send-request", 200).await;
    let answer =
        call_with_id(&stack, "friends-cancel-request", SAMPLE_REQUEST, request["id"].as_str().unwrap());
    assert_eq!(
        (&answer.await["statusCode"], ben.get("/friends/requests").await.ok()),
        (&json!(204), json!([]))
    );
    let request = call(&stack, "friends-send-request", 200).await;
    assert_eq!((&request["receiver_id"], &request["status"]), (&json!(ben.id), &json!("pending")));
    let request = request["id"].as_str().unwrap();
    ben.put(&format!("/friends/requests/{request}?action=rejected")).await.ok();
    let request = ben.post("/friends/requests", json!({"receiver_id": ana.id})).await.ok();
    let request = request["id"].as_str().unwrap();
    assert_eq!(ids(&call(&stack, "friends-list-requests", 200).await), [request]);

    let answer = call_with_id(&stack, "friends-respond-to-request", SAMPLE_REQUEST, request).await;
    assert_eq!(body(&answer, 200)["message"], "Friend request accepted");

    for list in ["friends-list", "http-unknown"] {
        assert_eq!(ids(&call(&stack, list, 200).await), [ben.id.as_str()], "{list}");
    }
    // With the demo users, who are already friends, the sample gets this answer.
    assert_eq!(call(&stack, "friends-send-request", 400).await["code"], "already_friends");

    let cleo = stack.actor("cleo").await;
    make_friends(&ben, &cleo).await;
    assert_eq!(ids(&call(&stack, "friends-list-suggestions", 200).await), [cleo.id.as_str()]);
    make_friends(&ana, &cleo).await;
    assert_eq!(ids(&call(&stack, "friends-list-mutual", 200).await), [cleo.id.as_str()]);
    let succeed =
        async |binary: &str| assert_eq!(invoke(&stack, binary).await["statusCode"], 204, "{binary}");
    succeed("friends-remove-friend").await;
    assert_eq!(ben.names("/friends").await, ["cleo"]);
    succeed("friends-block-user").await;
    assert_eq!(call(&stack, "friends-list-blocks", 200).await[0]["username"], "ben");
    succeed("friends-unblock-user").await;
    assert_eq!(call(&stack, "friends-list-blocks", 200).await, json!([]));
    let guest = stack.actor("guest").await;
    succeed("users-delete-me").await;
    guest.get("/users/me").await.problem(401, "invalid_token");
    succeed("users-delete-me").await;
    call(&stack, "users-get-me", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_rooms_have_the_expected_answers() {
    let stack = TestStack::new().await;
    let [ana, ben] = ana_and_ben(&stack).await;
    let room = call(&stack, "chat-create-room", 200).await;
    assert_eq!(room["is_group"], false);
    let joined_at = ana.get("/users/me").await.ok()["created_at"].clone();
    assert!(room["created_at"].as_str() >= joined_at.as_str(), "the sample takes the current time: {room}");
    let room = room["id"].as_str().unwrap();
    let message = call(&stack, "chat-send-message", 200).await;
    assert_eq!((&message["chat_room_id"], &message["content"]), (&json!(room), &json!("Hi Ben!")));
    let message = message["id"].as_str().unwrap();
    assert_eq!(ids(&call(&stack, "chat-list-messages", 200).await), [message]);
    assert_eq!(ids(&call(&stack, "chat-list-rooms", 200).await), [room]);
    let read = call(&stack, "chat-mark-read", 200).await;
    assert_eq!(read["message"], "Messages marked as read");
    assert_eq!(ids(&json!(ben.history(room).await)), [message]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_messages_have_the_expected_answers() {
    let stack = TestStack::new().await;
    let [ana, ben] = ana_and_ben(&stack).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "Hi Ben!").await;
    let id = message["id"].as_str().unwrap();
    let call_existing =
        async |binary: &str| body(&call_with_id(&stack, binary, SAMPLE_MESSAGE, id).await, 200);

    assert_eq!(call_existing("chat-get-message").await, message);
    assert_eq!(call_existing("chat-edit-message").await["content"], "Hi Ben, are you there?");
    let thumb = json!([{"emoji": "👍", "count": 1, "mine": true}]);
    assert_eq!(call_existing("chat-add-reaction").await["reactions"], thumb);
    assert_eq!(call_existing("chat-list-reactions").await[0]["emojis"], json!(["👍"]));
    assert_eq!(call_existing("chat-remove-reaction").await["reactions"], json!([]));
    assert_eq!(call_existing("chat-pin-message").await["pinned_message_ids"], json!([id]));
    assert_eq!(ids(&call(&stack, "chat-list-pins", 200).await), [id]);
    assert_eq!(call_existing("chat-unpin-message").await["pinned_message_ids"], json!([]));
    let deleted = call_existing("chat-delete-message").await;
    assert_eq!((&deleted["id"], &deleted["is_deleted"]), (&message["id"], &json!(true)));
    let sync = call(&stack, "chat-sync", 200).await;
    assert_eq!((&sync["complete"], &sync["rooms"][0]["messages"]), (&json!(true), &json!([deleted])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_participants_have_the_expected_answers() {
    let stack = TestStack::new().await;
    let [ana, ben] = ana_and_ben(&stack).await;
    let cleo = stack.actor("cleo").await;
    assert_eq!(call(&stack, "chat-get-room", 404).await["code"], "not_found");
    let room = ana.room_with(&ben).await;
    assert_eq!(call(&stack, "chat-get-room", 200).await["id"], room);
    let group = ana.group_with(&[&cleo]).await;
    let answer = call_with_id(&stack, "chat-add-participant", SAMPLE_GROUP, &group).await;
    assert_eq!(body(&answer, 200)["participant_count"], 3);
    let answer = call_with_id(&stack, "chat-update-room", SAMPLE_GROUP, &group).await;
    assert_eq!(body(&answer, 200)["description"], "Every week at nine");
    let settings = call(&stack, "chat-update-room-settings", 200).await;
    assert_eq!(
        (&settings["is_pinned"], &settings["muted_until"]),
        (&json!(true), &json!("2030-01-01T08:00:00.000Z"))
    );
    let answer = call_with_id(&stack, "chat-remove-participant", SAMPLE_GROUP, &group).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")));
    ben.room(&group).await.problem(404, "not_found");
    let answer = call_with_id(&stack, "chat-delete-room", SAMPLE_GROUP, &group).await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")));
    ana.room(&group).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_devices_have_the_expected_answers() {
    let stack = TestStack::new().await;
    ana_and_ben(&stack).await;
    assert_eq!(call(&stack, "devices-list", 200).await, json!([]));
    for binary in ["devices-register", "devices-register", "devices-sign-out", "devices-sign-out"] {
        let answer = invoke(&stack, binary).await;
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")), "{binary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_a_report_has_the_expected_answer() {
    let stack = TestStack::new().await;
    ana_and_ben(&stack).await;
    let first = call(&stack, "reports-create", 200).await;
    assert_eq!(call(&stack, "reports-create", 200).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_the_socket_describe_one_connection_that_does_not_exist() {
    let stack = TestStack::new().await;
    let [ana, ben] = ana_and_ben(&stack).await;
    let room = ana.room_with(&ben).await;

    let decision = invoke(&stack, "socket-authorize").await;
    let request: Value = serde_json::from_str(&sample("socket-authorize")).unwrap();
    let statement = &decision["policyDocument"]["Statement"][0];
    assert_eq!((&statement["Effect"], &statement["Resource"][0]), (&json!("Allow"), &request["methodArn"]));

    // The gateway adds the principal and the latency of the authorizer to the context.
    for binary in binaries().keys().filter(|name| name.starts_with("socket-") && *name != "socket-authorize")
    {
        let event: Value = serde_json::from_str(&sample(binary)).unwrap();
        let mut context = event["requestContext"]["authorizer"].as_object().unwrap().clone();
        assert!(context.remove("integrationLatency").unwrap().is_number(), "{binary}");
        assert_eq!(context.remove("principalId").unwrap(), decision["principalId"], "{binary}");
        assert_eq!(Value::from(context), decision["context"], "{binary}");
    }

    // Posting an answer to a connection that does not exist is not an error.
    for event in [
        "connect",
        "hello",
        "ping",
        "send-message",
        "message-delivered",
        "message-read",
        "typing-start",
        "typing-stop",
        "unknown",
        "disconnect",
    ] {
        let answer = invoke(&stack, &format!("socket-{event}")).await;
        assert_eq!(answer, json!({"statusCode": 200}), "{event}");
    }
    let history = ben.history(&room).await;
    assert_eq!((history.len(), &history[0]["content"]), (1, &json!("Hi Ben!")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_writes_the_variables_of_a_separately_started_function() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let stack = TestStack::without_proxy(options).await;
    let file = std::fs::read_to_string(folder.path().join("env")).unwrap();
    let variable = |line| {
        let (name, value) = str::split_once(line, "='")?;
        Some((name, value.strip_suffix('\'').filter(|value| !value.is_empty())?))
    };
    let variables: BTreeMap<_, _> = file.lines().map(|line| variable(line).unwrap()).collect();
    let management = stack.local.ws_url().replacen("ws://", "http://", 1);
    for (name, value) in [
        ("TABLE_NAME", stack.local.table_name()),
        ("SOCKET_ENDPOINT", &management),
        ("JWT_SECRET", stack.local.jwt_secret()),
        ("AWS_ENDPOINT_URL_DYNAMODB", stack.local.dynamodb_url()),
    ] {
        assert_eq!(variables[name], value);
    }
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(variables.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_samples_is_valid_only_on_a_loopback_address() {
    let any = "0.0.0.0:0".parse().unwrap();
    let stack = TestStack::with(Options { ws: any, ..Options::default() }).await;
    assert_eq!(call(&stack, "users-get-me", 401).await["code"], "invalid_token");
}

#[test]
fn cargo_lambda_routes_as_the_template_does() {
    let config = std::fs::read_to_string(project_root().join("CargoLambda.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    let mut configured = BTreeMap::new();
    for (path, route) in config["watch"]["router"].as_table().unwrap() {
        if let Some(function) = route.as_str() {
            assert_eq!(path, "/{*path}");
            configured.insert(function_id(function), "$default".to_owned());
        }
        for route in route.as_array().into_iter().flatten() {
            let function = function_id(route["function"].as_str().unwrap());
            configured.insert(function, format!("{} {path}", route["method"].as_str().unwrap()));
        }
    }
    let mut expected = routes();
    expected.retain(|function, route| !function.starts_with("Socket") && !route.starts_with("rate("));
    assert_eq!(configured, expected);
}
