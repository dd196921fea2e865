//! Each function uses exactly the actions that its policy in the template allows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use serde_yaml_ng::Value;

use crate::{
    harness::{Actor, Proxy, Seen, TestStack, in_seconds, make_friends, path_of, rate_limited, signed},
    iam::Policies,
    maintenance::{self, delete_in_part},
    names::{template, text},
    probes::probes,
};

/// Allowed actions that this test does not exercise, with their reasons.
const RARE: [(&str, &str); 4] = [
    ("UpdateItem", "a push to a closed connection removes it"),
    ("DELETE", "a connection is closed when its token expires or its user has too many"),
    ("Query", "the end of the log is read when the head hint lags behind"),
    ("BatchGetItem", "members that changed during the call are read again"),
];

/// The ARN of the table, as the template spells it.
const TABLE: &str = "Table.Arn";
/// The ARN of the table's indexes.
const INDEX: &str = "${Table.Arn}/index/*";

/// The actions on the table and on connections that each function's policies allow.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions
        .map(|(id, function)| {
            let policies = function["Properties"]["Policies"].as_sequence().cloned().unwrap_or_default();
            let statements = policies.iter().flat_map(|policy| policy["Statement"].as_sequence().unwrap());
            (id.as_str().unwrap().to_owned(), statements.flat_map(actions).collect())
        })
        .collect()
}

/// The actions that a statement allows, named as in the proxy.
fn actions(statement: &Value) -> Vec<String> {
    if statement["Effect"] != "Allow" {
        return Vec::new();
    }
    let actions = match &statement["Action"] {
        Value::Sequence(actions) => actions.clone(),
        action => vec![action.clone()],
    };
    let resources = match &statement["Resource"] {
        Value::Sequence(resources) => resources.clone(),
        resource => vec![resource.clone()],
    };
    let methods = resources.iter().map(text).filter_map(|arn| {
        let method = arn.rsplit_once("/@connections")?.0.rsplit('/').next()?.to_owned();
        Some(method)
    });
    let of_table = actions.iter().filter_map(|action| action.as_str()?.strip_prefix("dynamodb:"));
    let of_table = of_table.flat_map(|action| {
        resources.iter().map(move |resource| match table_resource(&text(resource)) {
            INDEX => format!("{action} on an index"),
            _ => action.to_owned(),
        })
    });
    of_table.chain(methods).collect()
}

/// The ARN of a statement about the table, of which only these two forms are known.
fn table_resource(arn: &str) -> &str {
    assert!([TABLE, INDEX].contains(&arn), "a statement about the table names {arn}");
    arn
}

/// The actions that a call needs. A transaction needs the actions of its writes.
fn needed(call: &Seen) -> Vec<String> {
    let writes = [
        ("\"Put\"", "PutItem"),
        ("\"Delete\"", "DeleteItem"),
        ("\"Update\"", "UpdateItem"),
        ("\"ConditionCheck\"", "ConditionCheckItem"),
    ];
    match call.operation.as_str() {
        "TransactWriteItems" => writes
            .into_iter()
            .filter(|(write, _)| call.body.contains(write))
            .map(|(_, action)| action.to_owned())
            .collect(),
        // IAM checks a query of an index against the ARN of the index, and not against that of the table.
        operation if call.body.contains("\"IndexName\"") => vec![format!("{operation} on an index")],
        operation => vec![operation.to_owned()],
    }
}

/// The actions of a call with the partition keys of their items.
fn accesses(call: &Seen) -> BTreeSet<(String, String)> {
    let body: Json = serde_json::from_str(&call.body).unwrap_or_default();
    let items = match body["TransactItems"].as_array() {
        Some(writes) => writes.clone(),
        None => vec![body],
    };
    let accesses = items.iter().flat_map(|item| {
        let actions = needed(&Seen { body: item.to_string(), ..call.clone() });
        actions
            .into_iter()
            .flat_map(|action| partition_keys(item).into_iter().map(move |pk| (action.clone(), pk)))
    });
    accesses.collect()
}

/// All partition keys in the body of a call.
fn partition_keys(body: &Json) -> Vec<String> {
    match body {
        Json::Object(fields) => {
            let own = ["pk", ":pk"].iter().filter_map(|name| fields.get(*name)?["S"].as_str());
            own.map(str::to_owned).chain(fields.values().flat_map(partition_keys)).collect()
        }
        Json::Array(values) => values.iter().flat_map(partition_keys).collect(),
        _ => Vec::new(),
    }
}

/// Calls every operation on messages and group members.
async fn calls_about_messages_and_members(ana: &Actor, ben: &Actor, cleo: &Actor, room: &str, group: &str) {
    let first = ana.send_message(room, "first").await;
    let message = ana.reply(&first, "said").await;
    for user in [ana, ben] {
        user.react(&message, "👍").await.ok();
        user.react(&message, "🔥").await.ok();
        user.unreact(&message, "🔥").await.ok();
    }
    ana.reactions(&message).await.ok();
    ana.get(&path_of(&message)).await.ok();
    ana.edit(&message, "changed").await.ok();
    ana.pin(&message).await.ok();
    ana.pins(room).await;
    ana.room(room).await.ok();
    ana.get(&format!("/chat/rooms/{room}/messages")).await.ok();
    ana.unpin(&message).await.ok();
    ana.forward(&message, group).await.ok();
    ana.sync(json!({room: {"seq": 1, "rev": 0}})).await;
    ben.unreact(&message, "👍").await.ok();
    ana.delete_message(&message).await.ok();
    ana.remove(group, cleo).await.nothing();
    ana.add(group, cleo).await.ok();
    let report = json!({"chat_room_id": room, "message_id": first["id"], "reason": "spam"});
    ben.post("/reports", report).await.ok();
    let unknown = json!({"user_id": uuid::Uuid::new_v4(), "reason": "spam"});
    ben.post("/reports", unknown).await.problem(404, "not_found");
    ana.update_room(group, json!({"name": "Sunday run"})).await.ok();
    ana.set_role(group, ben, "admin").await.ok();
    ana.update_room_settings(group, json!({"is_pinned": true})).await.ok();
    // The ownership passes to a successor.
    ana.remove(group, ana).await.nothing();
    ben.delete_room(group).await.nothing();
}

/// Calls every operation on relationships, with and without a direct room.
async fn calls_about_friends(ana: &Actor, ben: &Actor, cleo: &Actor) {
    make_friends(ben, cleo).await;
    ana.get("/friends/suggestions").await.ok();
    ana.get(&format!("/friends/{}/mutual", ben.id)).await.ok();
    let request = ana.send_request(cleo).await.ok();
    ana.cancel(&request).await.nothing();
    ben.unfriend(cleo).await.nothing();
    for other in [ben, cleo] {
        ana.block(other).await.nothing();
        ana.get("/friends/blocks").await.ok();
        ana.unblock(other).await.nothing();
    }
}

/// Calls as a user whose rename failed before it updated their rooms.
async fn call_after_a_partial_rename(stack: &TestStack, ben: &Actor) {
    let renamed = json!({
        "Key": {"pk": {"S": format!("USER#{}", ben.id)}, "sk": {"S": "PROFILE"}},
        "UpdateExpression": "SET rooms_outdated = :outdated, username = :name",
        "ExpressionAttributeValues": {":outdated": {"BOOL": true}, ":name": {"S": "ben"}},
    });
    stack.database("UpdateItem", renamed).await;
    ben.get("/users/me").await.ok();
}

/// Starts deletions that fail, and completes them with the scheduled maintenance.
async fn calls_of_maintenance(stack: &TestStack, proxy: &Proxy, ana: &Actor) {
    let zoe = stack.actor("gone-in-part").await;
    make_friends(&zoe, ana).await;
    zoe.send_message(&zoe.room_with(ana).await, "bye").await;
    let _connection = zoe.socket().await;
    let group = zoe.group_with(&[ana]).await;
    let outage = proxy.fail(
        |call| call.caller == "ChatDeleteRoomFunction" && call.operation == "BatchWriteItem",
        "ProvisionedThroughputExceededException",
    );
    zoe.delete(&format!("/chat/rooms/{group}")).await.problem(503, "busy");
    drop(outage);
    delete_in_part(proxy, &zoe).await;
    stack.local.invoke("maintenance-complete-deletions", maintenance::event(11 * 60)).await.unwrap();
    // A user who returns may call any function first.
    let claims = json!({"sub": zoe.id, "iat": in_seconds(2), "exp": in_seconds(3600)});
    let returned = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    returned.get("/friends").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_is_allowed_exactly_the_actions_that_it_uses() {
    // Every read is charged, because the budget is small.
    let (stack, proxy) = TestStack::with_proxy_and(rate_limited("reads=599/1s")).await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    // Connections of every user, so that every notification is pushed.
    let [at_ana, _at_ben, _at_cleo] = [ana.socket().await, ben.socket().await, cleo.socket().await];
    make_friends(&ana, &ben).await;
    let rejected = cleo.post("/friends/requests", json!({"receiver_id": ana.id})).await.ok();
    ana.put(&format!("/friends/requests/{}?action=rejected", rejected["id"].as_str().unwrap())).await.ok();
    for path in
        ["/users/me", "/friends", "/friends/", "/friends/requests", "/friends/search?query=be", "/chat/rooms"]
    {
        ana.get(path).await.ok();
    }
    let room = ana.room_with(&ben).await;
    ana.room_with(&ben).await;
    let group = ana.group_with(&[&ben, &cleo]).await;
    let (mut socket, mut ben_socket) = (ana.socket().await, ben.socket().await);
    for n in 0..2 {
        let first = ana.send_message(&room, &format!("m{n}")).await;
        socket.expect("new_message").await;
        let reply = json!({"chat_room_id": room, "content": "re", "reply_to_id": first["id"], "client_message_id": format!("{n}")});
        socket.send("send_message", reply).await;
        socket.expect("message_sent").await;
    }
    ben.history(&room).await;
    for frame in ["message_delivered", "message_read"] {
        ben_socket.send(frame, json!({"chat_room_id": room, "seq": 3})).await;
        socket.expect(&format!("{frame}_receipt")).await;
    }
    for frame in ["typing_start", "typing_stop"] {
        ben_socket.send(frame, json!({"chat_room_id": room})).await;
        socket.expect("typing_indicator").await;
    }
    ben.put(&format!("/chat/rooms/{room}/read")).await.ok();
    socket.expect("message_read_receipt").await;
    ana.send_message(&group, "all").await;
    ben.get("/chat/rooms").await.ok();
    calls_about_messages_and_members(&ana, &ben, &cleo, &room, &group).await;
    calls_about_friends(&ana, &ben, &cleo).await;
    ben.get(&format!("/users/{}", ana.id)).await.ok();
    ben.patch("/users/me", json!({"username": "benny"})).await.ok();
    call_after_a_partial_rename(&stack, &ben).await;
    let zoe = stack.actor("gone").await;
    make_friends(&zoe, &ana).await;
    let _connection = zoe.socket().await;
    zoe.send_message(&zoe.room_with(&ben).await, "bye").await;
    zoe.group_with(&[&ana]).await;
    zoe.delete("/users/me").await.nothing();
    // Simulates that the deletion failed after its first transaction and that the user returns.
    let pending = json!({
        "Key": {"pk": {"S": format!("USER#{}", zoe.id)}, "sk": {"S": "PROFILE"}},
        "UpdateExpression": "SET is_pending = :yes",
        "ExpressionAttributeValues": {":yes": {"BOOL": true}},
    });
    stack.database("UpdateItem", pending).await;
    let leftover = json!({"Item": {"pk": {"S": format!("USER#{}", zoe.id)}, "sk": {"S": "QUOTAS"}}});
    stack.database("PutItem", leftover).await;
    let claims = json!({"sub": zoe.id, "iat": in_seconds(2), "exp": in_seconds(3600)});
    let returned = stack.stranger(Some(&signed(stack.local.jwt_secret(), &claims)));
    returned.get("/users/me").await.ok();
    // A new user each time, so that every function creates a profile.
    for probe in probes(&uuid::Uuid::new_v4().to_string()) {
        assert_eq!(probe.call(&stack.new_user()).await.status, probe.leads_to);
    }
    stack.new_user().post("/chat/rooms", json!({"participant_ids": [ana.id]})).await.ok();
    stack.new_user().post("/friends/requests", json!({"receiver_id": ana.id})).await.ok();
    for frame in ["dance", "ping"] {
        socket.send(frame, json!({})).await;
    }
    calls_of_maintenance(&stack, &proxy, &ana).await;
    let device = |n| format!("/devices/{}", uuid::Uuid::from_u128(n));
    for (user, token) in [(&ana, "a"), (&ana, "b"), (&ben, "b"), (&ana, "a")] {
        user.register(&device(7), token).await.nothing();
    }
    ana.delete(&device(7)).await.nothing();
    // Ben is notified when Ana's last connection closes, and when the device of her last one is signed out.
    make_friends(&ana, &ben).await;
    at_ana.close().await;
    socket.close().await;
    stack.local.settle().await;
    let _signed_out = ana.socket_of(&uuid::Uuid::from_u128(7).to_string()).await;
    stack.local.settle().await;
    stack.age_notification(&ana).await;
    ana.delete(&device(7)).await.nothing();
    stack.new_user().try_socket().await.unwrap_or_else(|status| panic!("{status}")).close().await;
    stack.local.settle().await;

    let policies = Policies::of_template();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for call in proxy.seen() {
        let is_denied = |(action, pk): &(String, String)| !policies.allow(&call.caller, action, Some(pk));
        let denied = accesses(&call).into_iter().filter(is_denied);
        wrong.extend(denied.map(|(action, pk)| format!("{} may not {action} {pk}", call.caller)));
        used.entry(call.caller.clone()).or_default().extend(needed(&call));
    }
    for (function, allowed) in allowed() {
        let used = used.remove(&function).unwrap_or_default();
        let rare = |action: &&String| RARE.iter().any(|(rare, _)| rare == action);
        wrong.extend(used.difference(&allowed).map(|action| format!("{function} needs {action}")));
        let unused = allowed.difference(&used).filter(|action| !rare(action));
        wrong.extend(unused.map(|action| format!("{function} does not use {action}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(used.is_empty(), "callers that are not functions: {used:?}");
}
