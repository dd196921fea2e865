//! Disabled read receipts: a user who withholds them reveals no read position, and sees none of other users.

use serde_json::{Value, json};

use crate::harness::{Actor, Socket, TestStack, each};

/// A group of three with a socket each. Cleo withholds her read receipts.
struct Group {
    users: [Actor; 3],
    sockets: [Socket; 3],
    room: String,
}

impl Group {
    async fn new(stack: &TestStack) -> Self {
        let users = stack.actors(["ana", "ben", "cleo"]).await;
        let [ana, ben, cleo] = &users;
        stack.set_setting(cleo, "read_receipts", json!({"BOOL": false})).await;
        let room = ana.group_with(&[ben, cleo]).await;
        let sockets = [ana.socket().await, ben.socket().await, cleo.socket().await];
        Self { users, sockets, room }
    }

    /// Sends a message, which every socket receives.
    async fn send_message(&mut self, user: usize) -> Value {
        let message = self.users[user].send_message(&self.room, "hello").await;
        for socket in &mut self.sockets {
            socket.expect("new_message").await;
        }
        message
    }

    async fn read(&mut self, user: usize, seq: u64) {
        self.sockets[user].send("message_read", json!({"chat_room_id": self.room, "seq": seq})).await;
    }

    async fn delivered(&mut self, user: usize, seq: u64) {
        self.sockets[user].send("message_delivered", json!({"chat_room_id": self.room, "seq": seq})).await;
        for socket in &mut self.sockets {
            assert_eq!(socket.expect("message_delivered_receipt").await["data"]["seq"], seq);
        }
    }
}

/// The receipts of another member in a room. Asserts that all responses with the room agree.
async fn receipts(caller: &Actor, other: &Actor, room: &str) -> Value {
    let list = caller.get("/chat/rooms").await.ok();
    let synced = caller.sync(json!({})).await;
    let rooms = [caller.room(room).await.ok(), list[0].clone(), synced["rooms"][0]["room"].clone()];
    let seen = rooms.map(|room| {
        let participants = room["participants"].as_array().unwrap();
        let participant =
            participants.iter().find(|participant| participant["user_id"] == *other.id).unwrap();
        json!({
            "read_receipts": participant["read_receipts"], "read_seq": participant["read_seq"],
            "delivered_seq": participant["delivered_seq"], "has_read": !participant["last_read_at"].is_null(),
        })
    });
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    seen[0].clone()
}

/// The status of the caller's first message, and `others_read_seq`. Asserts that all responses agree.
async fn status(caller: &Actor, room: &str) -> (Value, Value) {
    let history = caller.history(room).await;
    let list = caller.get("/chat/rooms").await.ok();
    let synced = caller.sync(json!({room: {"seq": 0, "rev": 0}})).await;
    let synced = &synced["rooms"][0];
    let pins = caller.pins(room).await;
    let shown = [&list[0]["last_message"], &synced["room"]["last_message"], &synced["messages"][0], &pins[0]];
    let first = &history[0];
    let same = shown.iter().filter(|message| message["id"] == first["id"]);
    assert!(same.clone().count() >= 2);
    assert!(same.clone().all(|message| message["status"] == first["status"]), "{shown:?}");
    (first["status"].clone(), synced["others_read_seq"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_reads_are_visible_nowhere_and_never_mark_a_message_as_read() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let message = group.send_message(0).await;
    group.users[0].pin(&message).await.ok();
    for socket in &mut group.sockets {
        socket.expect("room_updated").await;
    }
    group.read(1, 1).await;
    for user in [0, 1] {
        assert_eq!(group.sockets[user].expect("message_read_receipt").await["data"]["seq"], 1);
    }
    let frame = group.sockets[2].expect("message_delivered_receipt").await;
    assert_eq!(
        frame["data"]["user_id"],
        group.users[1].id.as_str(),
        "a withholding user receives only delivered receipts"
    );

    group.delivered(2, 1).await;
    group.read(2, 1).await;
    let own = group.sockets[2].expect("message_read_receipt").await;
    assert_eq!((&own["data"]["user_id"], &own["data"]["seq"]), (&json!(group.users[2].id), &json!(1)));
    for socket in &mut group.sockets {
        socket.expect_nothing_more().await;
    }

    let (room, [ana, ben, cleo]) = (&group.room, &group.users);
    let withheld = json!({"read_receipts": false, "read_seq": 0, "delivered_seq": 1, "has_read": false});
    assert_eq!(receipts(ana, cleo, room).await, withheld);
    assert_eq!(status(ana, room).await, (json!("delivered"), json!(0)));
    let shown = json!({"read_receipts": true, "read_seq": 1, "delivered_seq": 1, "has_read": true});
    assert_eq!(receipts(ana, ben, room).await, shown);
    let own = json!({"read_receipts": false, "read_seq": 1, "delivered_seq": 1, "has_read": true});
    assert_eq!(receipts(cleo, cleo, room).await, own, "visible on the user's own devices");
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["unread_count"], 0);
    let hidden = json!({"read_receipts": true, "read_seq": 0, "delivered_seq": 1, "has_read": false});
    assert_eq!(receipts(cleo, ben, room).await, hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withholding_user_does_not_see_that_others_have_read() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let message = group.send_message(2).await;
    group.users[0].pin(&message).await.ok();
    for socket in &mut group.sockets {
        socket.expect("room_updated").await;
    }
    for reader in [0, 1] {
        group.read(reader, 1).await;
        assert_eq!(group.sockets[2].expect("message_delivered_receipt").await["data"]["seq"], 1);
        for other in [0, 1] {
            group.sockets[other].expect("message_read_receipt").await;
        }
    }
    group.sockets[2].expect_nothing_more().await;
    let (room, [ana, _, cleo]) = (&group.room, &group.users);
    assert_eq!(status(cleo, room).await, (json!("delivered"), json!(0)));
    assert_eq!(each(&json!([message]), "status"), [&json!("sent")]);
    cleo.edit(&message, "hello!").await.ok();
    for socket in &mut group.sockets {
        let frame = socket.expect("message_updated").await;
        assert_ne!(frame["data"]["status"], "read");
    }
    assert_eq!(receipts(ana, cleo, room).await["read_seq"], 0, "also after the user has sent a message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_read_notifies_as_a_delivery_if_not_delivered_before() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    group.send_message(0).await;
    group.read(2, 1).await;
    for user in [0, 1] {
        let frame = group.sockets[user].expect("message_delivered_receipt").await;
        assert_eq!(
            (&frame["data"]["user_id"], &frame["data"]["seq"]),
            (&json!(group.users[2].id), &json!(1))
        );
    }
    group.sockets[2].expect("message_read_receipt").await;
    let delivered = receipts(&group.users[0], &group.users[2], &group.room).await["delivered_seq"].clone();
    assert_eq!(delivered, 1);
    group.users[2].put(&format!("/chat/rooms/{}/read", group.room)).await.ok();
    for socket in &mut group.sockets {
        socket.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_withholds_as_well_and_join_frames_reveal_nothing() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let dora = stack.actor("dora").await;
    stack.set_setting(&dora, "read_receipts", json!({"BOOL": false})).await;
    let [ana, ..] = &group.users;
    ana.add(&group.room, &dora).await.ok();
    for socket in &mut group.sockets {
        let joined = socket.expect("participant_joined").await["data"]["participant"].clone();
        assert_eq!((&joined["read_receipts"], &joined["read_seq"]), (&json!(false), &json!(0)));
        socket.expect("new_message").await;
    }
    dora.put(&format!("/chat/rooms/{}/read", group.room)).await.ok();
    for socket in &mut group.sockets {
        socket.expect("message_delivered_receipt").await;
    }
    assert_eq!(receipts(&group.users[1], &dora, &group.room).await["read_seq"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_setting_hides_or_shows_the_read_position_in_every_room() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let rooms = [ana.room_with(&cleo).await, ana.group_with(&[&ben, &cleo]).await];
    let mut at_ana = ana.socket().await;
    let send_and_read = async |socket: &mut Socket, receipt: &str| {
        for room in &rooms {
            ana.send_message(room, "hello").await;
            socket.expect("new_message").await;
            cleo.put(&format!("/chat/rooms/{room}/read")).await.ok();
            let frame = socket.expect(receipt).await["data"].take();
            assert_eq!((&frame["chat_room_id"], &frame["user_id"]), (&json!(room), &json!(cleo.id)));
        }
    };
    // Cleo's receipts in both rooms and the status of Ana's newest message, as Ana sees them.
    let state = async || {
        let mut receipts = Vec::new();
        for room in &rooms {
            let shown = ana.room(room).await.ok();
            let participants = shown["participants"].as_array().unwrap();
            let participant =
                participants.iter().find(|participant| participant["user_id"] == *cleo.id).unwrap();
            receipts.push(json!([
                participant["read_receipts"],
                participant["read_seq"],
                participant["delivered_seq"]
            ]));
        }
        assert_eq!(receipts[0], receipts[1]);
        let newest = ana.history(&rooms[0]).await.last().unwrap()["status"].clone();
        (receipts.remove(0), newest)
    };
    let set_read_receipts = async |socket: &mut Socket, enabled: bool| {
        cleo.patch("/users/me", json!({"settings": {"read_receipts": enabled}})).await.ok();
        let mut updated = Vec::new();
        for _ in &rooms {
            let frame = socket.expect("participant_updated").await["data"].take();
            assert_eq!(frame["participants"][0]["read_receipts"], enabled);
            updated.push(frame["chat_room_id"].as_str().unwrap().to_owned());
        }
        assert!(rooms.iter().all(|room| updated.contains(room)), "{updated:?}");
    };

    send_and_read(&mut at_ana, "message_read_receipt").await;
    assert_eq!(state().await, (json!([true, 1, 1]), json!("read")));
    set_read_receipts(&mut at_ana, false).await;
    assert_eq!(
        state().await,
        (json!([false, 0, 1]), json!("delivered")),
        "a position that was visible before is withheld as well"
    );
    send_and_read(&mut at_ana, "message_delivered_receipt").await;
    assert_eq!(state().await, (json!([false, 0, 2]), json!("delivered")));
    set_read_receipts(&mut at_ana, true).await;
    assert_eq!(state().await, (json!([true, 2, 2]), json!("read")));
    send_and_read(&mut at_ana, "message_read_receipt").await;
    at_ana.expect_nothing_more().await;
}
