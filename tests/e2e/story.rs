//! The main user journey: two users find each other, become friends and chat.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack};

/// A search and the profile show the pending request.
async fn check_pending(caller: &Actor, search: &str, other: &Actor, status: &str, request: &Value) {
    let found = caller.get(search).await.ok()[0].take();
    let seen = caller.get(&format!("/users/{}", other.id)).await.ok();
    for user in [found, seen] {
        assert_eq!((&user["friendship_status"], &user["request_id"]), (&json!(status), &request["id"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_find_each_other_become_friends_and_chat() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "Benjamin"]).await;
    let (mut at_ana, mut at_ben) = (ana.socket().await, ben.socket().await);

    // Search.
    let found = ana.get("/friends/search?query=JAM").await.ok();
    let stranger = json!([{
        "id": ben.id, "username": "Benjamin", "display_name": null, "avatar_url": null,
        "is_friend": false, "has_pending_request": false, "friendship_status": "none", "request_id": null,
    }]);
    assert_eq!(found, stranger);

    // Ana sends a request, Ben is notified and accepts, Ana is notified.
    let request = ana.post("/friends/requests", json!({"receiver_id": ben.id})).await.ok();
    assert_eq!(request["status"], "pending");
    assert_eq!(
        (&request["sender_username"], &request["receiver_username"]),
        (&json!("ana"), &json!("Benjamin"))
    );
    assert_eq!(at_ben.expect("friend_request_received").await["data"], request);
    assert_eq!(at_ana.expect("friend_request_sent").await["data"], request);
    assert_eq!(ben.get("/friends/requests").await.ok(), json!([request]));
    assert_eq!(ana.get("/friends/requests").await.ok(), json!([]));
    assert_eq!(ana.get("/friends/requests?direction=sent").await.ok(), json!([request]));
    check_pending(&ana, "/friends/search?query=ben", &ben, "request_sent", &request).await;
    check_pending(&ben, "/friends/search?query=ana", &ana, "request_received", &request).await;

    let path = format!("/friends/requests/{}?action=accepted", request["id"].as_str().unwrap());
    let answer = ben.put(&path).await.ok();
    let friends = ana.get("/friends").await.ok();
    let new_friend = &ben.get("/friends").await.ok()[0];
    assert_eq!(answer, json!({"message": "Friend request accepted", "friend": new_friend}));
    for (socket, friend) in [(&mut at_ana, &friends[0]), (&mut at_ben, new_friend)] {
        let responded =
            json!({"request_id": request["id"], "user_id": ben.id, "action": "accepted", "friend": friend});
        assert_eq!(socket.expect("friend_request_responded").await["data"], responded);
    }
    assert_eq!(ana.get("/friends/search?query=ben").await.ok()[0]["request_id"], Value::Null);
    assert_eq!((&friends[0]["id"], &friends[0]["user_id"]), (&json!(ben.id), &json!(ben.id)));
    assert_eq!(ana.get("/friends/").await.ok(), friends);
    assert_eq!(ben.get("/friends/").await.ok()[0]["username"], "ana");
    assert_eq!(ana.get("/friends/search?query=ben").await.ok()[0]["is_friend"], true);

    // Ana creates the direct room. Both users see the same room, with the other user first.
    let room = ana
        .post("/chat/rooms", json!({"participant_ids": [ben.id], "is_group": false, "name": null}))
        .await
        .ok();
    let room_id = room["id"].as_str().unwrap();
    let names = |room: &Value| -> Vec<String> {
        let participants = room["participants"].as_array().unwrap();
        participants.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&room), ["Benjamin", "ana"]);
    assert_eq!(
        (&room["name"], &room["last_message"], &room["unread_count"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    assert_eq!(names(&at_ben.expect("room_created").await["data"]), ["ana", "Benjamin"]);
    assert_eq!(names(&at_ana.expect("room_created").await["data"]), ["Benjamin", "ana"]);
    assert_eq!(ben.room_with(&ana).await, room_id);

    // Ana sends over the socket, Ben over REST.
    let hello =
        json!({"chat_room_id": room_id, "content": "Hi Ben!", "client_message_id": "a-1", "after_seq": 0});
    at_ana.send_text(&json!({"type": "send_message", "ref": "r1", "data": hello}).to_string()).await;
    let sent = at_ana.expect("message_sent").await;
    assert_eq!(sent["ref"], "r1");
    assert_eq!((&sent["data"]["seq"], &sent["data"]["status"]), (&json!(1), &json!("sent")));
    let received = at_ben.expect("new_message").await;
    assert_eq!(
        (&received["data"]["content"], &received["data"]["status"]),
        (&json!("Hi Ben!"), &Value::Null)
    );
    assert_eq!(received["data"]["sender_username"], "ana");
    assert_eq!(received["data"]["id"], sent["data"]["id"]);

    let rooms = ben.get("/chat/rooms").await.ok();
    assert_eq!((&rooms[0]["unread_count"], &rooms[0]["seq"]), (&json!(1), &json!(1)));
    assert_eq!(rooms[0]["last_message"], received["data"]);
    let answer = ben.send_message(room_id, "Hi Ana!").await;
    assert_eq!(at_ana.expect("new_message").await["data"]["id"], answer["id"]);
    assert_eq!(
        at_ben.expect("new_message").await["data"]["status"],
        "sent",
        "Ben's socket counts as another device"
    );

    // A read receipt notifies both users and resets the unread count.
    assert_eq!(ana.get("/chat/rooms").await.ok()[0]["unread_count"], 1);
    let read = ana.put(&format!("/chat/rooms/{room_id}/read")).await.ok();
    assert_eq!(read, json!({"message": "Messages marked as read"}));
    let receipt = json!({"chat_room_id": room_id, "user_id": ana.id, "seq": 2, "message_ids": []});
    assert_eq!(at_ben.expect("message_read_receipt").await["data"], receipt);
    assert_eq!(at_ana.expect("message_read_receipt").await["data"], receipt);
    assert_eq!(ana.get("/chat/rooms").await.ok()[0]["unread_count"], 0);
    let history = ben.get(&format!("/chat/rooms/{room_id}/messages?limit=50&offset=0")).await.ok();
    let contents: Vec<_> = history.as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["Hi Ana!", "Hi Ben!"], "newest first");
    assert_eq!(history[0]["status"], "read");
    assert_eq!(
        ben.get(&format!("/chat/rooms/{room_id}/messages?offset=1&limit=1")).await.ok()[0]["content"],
        "Hi Ben!"
    );

    at_ana.expect_nothing_more().await;
    at_ben.expect_nothing_more().await;
}
