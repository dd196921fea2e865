//! Who withholds what they have read: nobody else learns it by any way, and they learn nobody else's.

use serde_json::{Value, json};

use crate::harness::{Actor, Socket, TestStack, each};

/// A group of three in which Cleo withholds what she has read, and each one's socket.
struct Group {
    people: [Actor; 3],
    sockets: [Socket; 3],
    room: String,
}

impl Group {
    async fn new(stack: &TestStack) -> Self {
        let people = stack.actors(["ana", "ben", "cleo"]).await;
        let [ana, ben, cleo] = &people;
        stack.set_setting(cleo, "read_receipts", json!({"BOOL": false})).await;
        let room = ana.group_with(&[ben, cleo]).await;
        let sockets = [ana.socket().await, ben.socket().await, cleo.socket().await];
        Self { people, sockets, room }
    }

    /// Somebody says something, and everyone hears it.
    async fn send_message(&mut self, who: usize) -> Value {
        let said = self.people[who].send_message(&self.room, "hello").await;
        for socket in &mut self.sockets {
            socket.expect("new_message").await;
        }
        said
    }

    async fn read(&mut self, who: usize, seq: u64) {
        self.sockets[who].send("message_read", json!({"chat_room_id": self.room, "seq": seq})).await;
    }

    async fn delivered(&mut self, who: usize, seq: u64) {
        self.sockets[who].send("message_delivered", json!({"chat_room_id": self.room, "seq": seq})).await;
        for socket in &mut self.sockets {
            assert_eq!(socket.expect("message_delivered_receipt").await["data"]["seq"], seq);
        }
    }
}

/// How one person sees another in a room, by every call that shows a room.
async fn seen(who: &Actor, other: &Actor, room: &str) -> Value {
    let list = who.get("/chat/rooms").await.ok();
    let synced = who.sync(json!({})).await;
    let rooms = [who.room(room).await.ok(), list[0].clone(), synced["rooms"][0]["room"].clone()];
    let seen = rooms.map(|room| {
        let people = room["participants"].as_array().unwrap();
        let person = people.iter().find(|person| person["user_id"] == *other.id).unwrap();
        json!({
            "read_receipts": person["read_receipts"], "read_seq": person["read_seq"],
            "delivered_seq": person["delivered_seq"], "has_read": !person["last_read_at"].is_null(),
        })
    });
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    seen[0].clone()
}

/// The status of the first message, which is one's own, by every call that shows it, and what a sync says of the others.
async fn status(who: &Actor, room: &str) -> (Value, Value) {
    let history = who.history(room).await;
    let list = who.get("/chat/rooms").await.ok();
    let synced = who.sync(json!({room: {"seq": 0, "rev": 0}})).await;
    let synced = &synced["rooms"][0];
    let pins = who.pins(room).await;
    let shown = [&list[0]["last_message"], &synced["room"]["last_message"], &synced["messages"][0], &pins[0]];
    let first = &history[0];
    let same = shown.iter().filter(|message| message["id"] == first["id"]);
    assert!(same.clone().count() >= 2);
    assert!(same.clone().all(|message| message["status"] == first["status"]), "{shown:?}");
    (first["status"].clone(), synced["others_read_seq"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_shows_nowhere_and_never_makes_a_message_read() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let said = group.send_message(0).await;
    group.people[0].pin(&said).await.ok();
    for socket in &mut group.sockets {
        socket.expect("room_updated").await;
    }
    group.read(1, 1).await;
    for at in [0, 1] {
        assert_eq!(group.sockets[at].expect("message_read_receipt").await["data"]["seq"], 1);
    }
    let heard = group.sockets[2].expect("message_delivered_receipt").await;
    assert_eq!(
        heard["data"]["user_id"],
        group.people[1].id.as_str(),
        "who withholds is told of deliveries only"
    );

    group.delivered(2, 1).await;
    group.read(2, 1).await;
    let own = group.sockets[2].expect("message_read_receipt").await;
    assert_eq!((&own["data"]["user_id"], &own["data"]["seq"]), (&json!(group.people[2].id), &json!(1)));
    for socket in &mut group.sockets {
        socket.expect_nothing_more().await;
    }

    let (room, [ana, ben, cleo]) = (&group.room, &group.people);
    let withheld = json!({"read_receipts": false, "read_seq": 0, "delivered_seq": 1, "has_read": false});
    assert_eq!(seen(ana, cleo, room).await, withheld);
    assert_eq!(status(ana, room).await, (json!("delivered"), json!(0)));
    let shown = json!({"read_receipts": true, "read_seq": 1, "delivered_seq": 1, "has_read": true});
    assert_eq!(seen(ana, ben, room).await, shown);
    let own = json!({"read_receipts": false, "read_seq": 1, "delivered_seq": 1, "has_read": true});
    assert_eq!(seen(cleo, cleo, room).await, own, "her own devices know");
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["unread_count"], 0);
    let hidden = json!({"read_receipts": true, "read_seq": 0, "delivered_seq": 1, "has_read": false});
    assert_eq!(seen(cleo, ben, room).await, hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_withholds_is_not_shown_that_others_have_read() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let said = group.send_message(2).await;
    group.people[0].pin(&said).await.ok();
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
    let (room, [ana, _, cleo]) = (&group.room, &group.people);
    assert_eq!(status(cleo, room).await, (json!("delivered"), json!(0)));
    assert_eq!(each(&json!([said]), "status"), [&json!("sent")]);
    cleo.edit(&said, "hello!").await.ok();
    for socket in &mut group.sockets {
        let heard = socket.expect("message_updated").await;
        assert_ne!(heard["data"]["status"], "read");
    }
    assert_eq!(seen(ana, cleo, room).await["read_seq"], 0, "also where she has posted");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_that_is_withheld_is_told_as_a_delivery_if_that_is_news() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    group.send_message(0).await;
    group.read(2, 1).await;
    for at in [0, 1] {
        let heard = group.sockets[at].expect("message_delivered_receipt").await;
        assert_eq!(
            (&heard["data"]["user_id"], &heard["data"]["seq"]),
            (&json!(group.people[2].id), &json!(1))
        );
    }
    group.sockets[2].expect("message_read_receipt").await;
    let delivered = seen(&group.people[0], &group.people[2], &group.room).await["delivered_seq"].clone();
    assert_eq!(delivered, 1);
    group.people[2].put(&format!("/chat/rooms/{}/read", group.room)).await.ok();
    for socket in &mut group.sockets {
        socket.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_later_withholds_too_and_the_frames_about_it_do_not_say_more() {
    let stack = TestStack::new().await;
    let mut group = Group::new(&stack).await;
    let dora = stack.actor("dora").await;
    stack.set_setting(&dora, "read_receipts", json!({"BOOL": false})).await;
    let [ana, ..] = &group.people;
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
    assert_eq!(seen(&group.people[1], &dora, &group.room).await["read_seq"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_their_mind_withholds_in_every_room_and_later_shows_again_where_they_are() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let rooms = [ana.room_with(&cleo).await, ana.group_with(&[&ben, &cleo]).await];
    let mut at_ana = ana.socket().await;
    let said = async |socket: &mut Socket, receipt: &str| {
        for room in &rooms {
            ana.send_message(room, "hello").await;
            socket.expect("new_message").await;
            cleo.put(&format!("/chat/rooms/{room}/read")).await.ok();
            let heard = socket.expect(receipt).await["data"].take();
            assert_eq!((&heard["chat_room_id"], &heard["user_id"]), (&json!(room), &json!(cleo.id)));
        }
    };
    // How Ana's newest message and Cleo herself stand in each room, as Ana sees it.
    let seen = async || {
        let mut seen = Vec::new();
        for room in &rooms {
            let shown = ana.room(room).await.ok();
            let people = shown["participants"].as_array().unwrap();
            let them = people.iter().find(|person| person["user_id"] == *cleo.id).unwrap();
            seen.push(json!([them["read_receipts"], them["read_seq"], them["delivered_seq"]]));
        }
        assert_eq!(seen[0], seen[1]);
        let newest = ana.history(&rooms[0]).await.last().unwrap()["status"].clone();
        (seen.remove(0), newest)
    };
    let choose = async |socket: &mut Socket, shows: bool| {
        cleo.patch("/users/me", json!({"settings": {"read_receipts": shows}})).await.ok();
        let mut told = Vec::new();
        for _ in &rooms {
            let heard = socket.expect("participant_updated").await["data"].take();
            assert_eq!(heard["participants"][0]["read_receipts"], shows);
            told.push(heard["chat_room_id"].as_str().unwrap().to_owned());
        }
        assert!(rooms.iter().all(|room| told.contains(room)), "{told:?}");
    };

    said(&mut at_ana, "message_read_receipt").await;
    assert_eq!(seen().await, (json!([true, 1, 1]), json!("read")));
    set_audience(&mut at_ana, false).await;
    assert_eq!(seen().await, (json!([false, 0, 1]), json!("delivered")), "what was shown is withheld, too");
    said(&mut at_ana, "message_delivered_receipt").await;
    assert_eq!(seen().await, (json!([false, 0, 2]), json!("delivered")));
    set_audience(&mut at_ana, true).await;
    assert_eq!(seen().await, (json!([true, 2, 2]), json!("read")));
    said(&mut at_ana, "message_read_receipt").await;
    at_ana.expect_nothing_more().await;
}
