//! Each function uses just the actions that its policy in the template names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use serde_yaml_ng::Value;

use crate::{
    names::template,
    world::{World, befriend},
};

/// What the policies of a function allow on the table.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions
        .map(|(id, function)| {
            let policies = function["Properties"]["Policies"].as_sequence().cloned().unwrap_or_default();
            let statements = policies.iter().flat_map(|policy| policy["Statement"].as_sequence().unwrap());
            let actions = statements.flat_map(|statement| match &statement["Action"] {
                Value::Sequence(actions) => actions.clone(),
                action => vec![action.clone()],
            });
            let actions = actions.map(|action| action.as_str().unwrap().to_owned());
            let actions = actions.filter_map(|action| action.strip_prefix("dynamodb:").map(str::to_owned));
            (id.as_str().unwrap().to_owned(), actions.collect())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_needs_an_action_that_its_policy_lacks() {
    let (world, proxy) = World::with_proxy().await;
    let [ana, ben, cleo] = world.actors(["ana", "ben", "cleo"]).await;
    befriend(&ana, &ben).await;
    let rejected = cleo.post("/friends/requests", json!({"receiver_id": ana.id})).await.ok();
    ana.put(&format!("/friends/requests/{}?action=rejected", rejected["id"].as_str().unwrap())).await.ok();
    for path in
        ["/users/me", "/friends", "/friends/", "/friends/requests", "/friends/search?query=be", "/chat/rooms"]
    {
        // A newcomer each time, so that every function has someone to welcome.
        world.newcomer().get(path).await.ok();
        ana.get(path).await.ok();
    }
    let room = ana.room_with(&ben).await;
    ana.room_with(&ben).await;
    let group = ana.group_with(&[&ben, &cleo]).await;
    let mut socket = ana.socket().await;
    for n in 0..2 {
        let first = ana.say(&room, &format!("m{n}")).await;
        socket.expect("new_message").await;
        let reply = json!({"chat_room_id": room, "content": "re", "reply_to_id": first["id"], "client_message_id": format!("{n}")});
        socket.send("send_message", reply).await;
        socket.expect("message_sent").await;
    }
    ben.history(&room).await;
    ben.put(&format!("/chat/rooms/{room}/read")).await.ok();
    socket.expect("message_read_receipt").await;
    ana.say(&group, "all").await;
    ben.get("/chat/rooms").await.ok();
    socket.close().await;

    let allowed = allowed();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in proxy.seen() {
        // Transactions are checked by the actions in them.
        let actions: Vec<&str> = match call.operation.as_str() {
            "TransactWriteItems" => {
                [("\"Put\"", "PutItem"), ("\"Delete\"", "DeleteItem"), ("\"Update\"", "UpdateItem")]
                    .into_iter()
                    .filter(|(write, _)| call.body.contains(write))
                    .map(|(_, action)| action)
                    .collect()
            }
            operation => vec![operation],
        };
        used.entry(call.caller.clone()).or_default().extend(actions.into_iter().map(str::to_owned));
    }
    assert!(used.len() >= 12, "{used:?}");
    for (function, actions) in &used {
        let missing: Vec<_> = actions.difference(&allowed[function]).collect();
        assert!(missing.is_empty(), "{function} needs {missing:?}");
    }
}
