//! Members of groups: adding, removing and leaving, the history each member sees, and the resulting frames.

use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, as_others_see, each, next_on_each, without_presence};

#[tokio::test(flavor = "multi_thread")]
async fn adding_a_member_notifies_every_device_and_updates_the_room_for_all() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben]).await;
    ana.send_message(&room, "just us").await;
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);
    let mut at_cleo = cleo.socket().await;

    let answer = ana.add(&room, &cleo).await.ok();
    assert_eq!(
        (&answer["participant_count"], &answer["rev"], &answer["seq"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(answer, without_presence(ana.room(&room).await.ok()));
    assert_eq!(answer["participants"][2]["username"], "ana", "the caller is last");
    let cleo_in = |room: &Value| {
        let members = room["participants"].as_array().unwrap();
        members.iter().find(|member| member["user_id"] == cleo.id.as_str()).unwrap().clone()
    };
    assert_eq!(cleo_in(&answer)["role"], "member");
    let sent = answer["last_message"].clone();
    assert_eq!((&sent["message_type"], &sent["content"]), (&json!("system"), &json!("ana added cleo")));
    assert_eq!((&sent["sender_id"], &sent["sender_username"]), (&json!(ana.id), &json!("ana")));

    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "participant_joined").await;
    for frame in frames {
        let expected = json!({
            "chat_room_id": room, "rev": 1, "participant": cleo_in(&answer), "participant_count": 3
        });
        assert_eq!(frame, expected);
    }
    let created = at_cleo.expect("room_created").await["data"].take();
    let listed = cleo.get("/chat/rooms").await.ok()[0].take();
    for field in ["id", "name", "is_group", "last_message", "unread_count", "seq", "rev", "participant_count"]
    {
        assert_eq!(created[field], listed[field], "{field}");
    }
    assert_eq!((&listed["unread_count"], &listed["rev"]), (&json!(0), &json!(1)));
    assert_eq!(each(&created["participants"], "username")[2], "cleo");
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben, &mut at_cleo], "new_message").await;
    let others = as_others_see(&sent);
    assert_eq!(frames, [sent.clone(), sent, others.clone(), others.clone()]);
    assert_eq!(listed["last_message"], others);

    // A retry changes nothing, but notifies again: the first call may have failed before it sent any frame.
    assert_eq!(ana.add(&room, &cleo).await.ok(), answer);
    let repeated = next_on_each([&mut phone, &mut tablet, &mut at_ben], "participant_joined").await;
    assert!(repeated.iter().all(|joined| joined["rev"] == 1));
    assert_eq!(at_cleo.expect("room_created").await["data"], listed);
    cleo.send_message(&room, "hello").await;
    next_on_each([&mut phone, &mut tablet, &mut at_ben, &mut at_cleo], "new_message").await;
    for device in [&mut phone, &mut tablet, &mut at_ben, &mut at_cleo] {
        device.expect_nothing_more().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_sees_messages_from_their_join_on_and_nothing_earlier() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben]).await;
    let (early, other) = (ben.send_message(&room, "early").await, ana.send_message(&room, "other").await);
    ben.react(&early, "👍").await.ok();
    ana.pin(&early).await.ok();
    ana.add(&room, &cleo).await.ok();
    let joined = cleo.message(&room, 3).await;
    let mut at_cleo = cleo.socket().await;

    assert_eq!(cleo.history(&room).await, std::slice::from_ref(&joined));
    for query in ["before_seq=3", "after_seq=0&limit=1", "around_seq=1&limit=1", "offset=1", "offset=2"] {
        let page = cleo.get(&format!("/chat/rooms/{room}/messages?{query}")).await.ok();
        let expected = if query.starts_with('a') { json!([joined]) } else { json!([]) };
        assert_eq!(page, expected, "{query}");
    }
    let seen_by = async |user: &Actor| user.room(&room).await.ok()["first_seq"].clone();
    assert_eq!((seen_by(&ana).await, seen_by(&cleo).await), (json!(1), json!(3)));
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["first_seq"], 3);
    assert_eq!(cleo.sync(json!({})).await["rooms"][0]["room"]["first_seq"], 3);
    assert_eq!(cleo.room(&room).await.ok()["pinned_message_ids"], json!([]));
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["pinned_message_ids"], json!([]));
    assert_eq!(cleo.pins(&room).await, json!([]));
    for answer in [
        cleo.reactions(&early).await,
        cleo.react(&early, "👍").await,
        cleo.unreact(&early, "👍").await,
        cleo.edit(&early, "mine").await,
        cleo.delete_message(&early).await,
        cleo.pin(&early).await,
        cleo.unpin(&early).await,
    ] {
        answer.problem(404, "not_found");
    }
    let reply = json!({"chat_room_id": room, "content": "re", "reply_to_id": early["id"]});
    cleo.post("/chat/messages", reply).await.bad_field("reply_to_id");
    cleo.forward(&early, &room).await.bad_field("forward_message_id");

    // Of changes of earlier messages, the new member receives only the revision. Replies have no preview.
    ben.edit(&early, "changed").await.ok();
    ana.react(&other, "🔥").await.ok();
    ana.delete_message(&other).await.ok();
    for rev in 4..=6 {
        let frame = at_cleo.expect("room_updated").await["data"].take();
        let expected = json!({
            "chat_room_id": room, "rev": rev, "name": "gym", "avatar_url": null, "description": null,
            "history_visibility": "joined", "pinned_message_ids": []
        });
        assert_eq!(frame, expected);
    }
    let reply = ben.reply(&early, "about that").await;
    assert_eq!(reply["reply_to"]["content"], "changed");
    let seen = at_cleo.expect("new_message").await["data"].take();
    assert_eq!((&seen["content"], &seen["reply_to"]), (&json!("about that"), &Value::Null));
    assert_eq!(cleo.message(&room, 4).await, seen);
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["last_message"], seen);
    ana.pin(&reply).await.ok();
    let updated = at_cleo.expect("room_updated").await;
    assert_eq!(updated["data"]["pinned_message_ids"], json!([reply["id"]]));
    assert_eq!(cleo.pins(&room).await[0]["reply_to"], Value::Null);
    ben.react(&reply, "👍").await.ok();
    assert_eq!(at_cleo.expect("message_reaction").await["data"]["seq"], 4);
    at_cleo.expect_nothing_more().await;
    assert_eq!(each(&ana.pins(&room).await, "id"), [&reply["id"], &early["id"]]);
}

/// Asserts that every operation on a room responds with 404 to a user who is not a member.
async fn assert_not_member(user: &Actor, room: &str, message: &Value) {
    for answer in [
        user.room(room).await,
        user.get(&format!("/chat/rooms/{room}/messages")).await,
        user.get(&format!("/chat/rooms/{room}/pins")).await,
        user.put(&format!("/chat/rooms/{room}/read")).await,
        user.post("/chat/messages", json!({"chat_room_id": room, "content": "still here"})).await,
        user.reactions(message).await,
        user.react(message, "👍").await,
        user.edit(message, "mine").await,
        user.delete_message(message).await,
        user.pin(message).await,
        user.add(room, user).await,
    ] {
        answer.problem(404, "not_found");
    }
    assert_eq!(user.get("/chat/rooms").await.ok(), json!([]));
    let synced = user.sync(json!({room: {"seq": 1, "rev": 0}})).await;
    assert_eq!((&synced["rooms"], &synced["left"]), (&json!([]), &json!([room])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_receives_no_further_frames_and_sees_nothing() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let sent = cleo.send_message(&room, "here").await;
    cleo.react(&sent, "👍").await.ok();
    let (mut phone, mut tablet, mut at_ben) = (ana.socket().await, ana.socket().await, ben.socket().await);
    let mut at_cleo = cleo.socket().await;

    ana.remove(&room, &cleo).await.nothing();
    let expected = json!({
        "chat_room_id": room, "rev": 2, "user_id": cleo.id, "participant_count": 2, "new_owner_id": null
    });
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben, &mut at_cleo], "participant_left").await;
    assert_eq!(frames, [(); 4].map(|()| expected.clone()));
    let frames = next_on_each([&mut phone, &mut tablet, &mut at_ben], "new_message").await;
    for message in &frames {
        assert_eq!(
            (&message["message_type"], &message["content"]),
            (&json!("system"), &json!("ana removed cleo"))
        );
        assert_eq!((&message["seq"], &message["sender_id"]), (&json!(2), &json!(ana.id)));
    }
    assert_not_member(&cleo, &room, &sent).await;
    let answer = ana.room(&room).await.ok();
    assert_eq!(
        (&answer["participant_count"], &answer["seq"], &answer["rev"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert!(!each(&answer["participants"], "user_id").contains(&&json!(cleo.id)));

    ben.send_message(&room, "without her").await;
    ben.react(&sent, "🔥").await.ok();
    ana.pin(&sent).await.ok();
    at_cleo.send("message_read", json!({"chat_room_id": room, "seq": 1})).await;
    assert_eq!(at_cleo.expect("error").await["data"]["code"], "not_found");
    at_cleo.expect_nothing_more().await;
    for kind in ["new_message", "message_reaction", "room_updated"] {
        next_on_each([&mut phone, &mut tablet, &mut at_ben], kind).await;
    }
    // A retry by either user changes nothing and sends no frame.
    ana.remove(&room, &cleo).await.nothing();
    cleo.remove(&room, &cleo).await.nothing();
    for device in [&mut phone, &mut tablet, &mut at_ben] {
        device.expect_nothing_more().await;
    }
    let reactions = ana.message(&room, 1).await["reactions"].clone();
    assert_eq!(each(&reactions, "emoji"), ["👍", "🔥"], "the reactions of a removed member stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_member_sees_only_messages_after_their_new_join() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    ana.send_message(&room, "one").await;
    let earlier = cleo.send_message(&room, "two").await;
    cleo.remove(&room, &cleo).await.nothing();
    let meanwhile = ben.send_message(&room, "meanwhile").await;
    ana.add(&room, &cleo).await.ok();
    let after = ben.send_message(&room, "after").await;

    let seen = cleo.history(&room).await;
    let seqs: Vec<_> = seen.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [5, 6]);
    assert_eq!((&seen[0]["content"], &seen[1]), (&json!("ana added cleo"), &as_others_see(&after)));
    for message in [&earlier, &meanwhile] {
        cleo.reactions(message).await.problem(404, "not_found");
    }
    // A device with earlier positions has to reload the room. A device at the new join continues from there.
    let behind = cleo.sync(json!({&room: {"seq": 2, "rev": 0}})).await;
    assert_eq!(
        (&behind["rooms"][0]["complete"], &behind["rooms"][0]["messages"]),
        (&json!(false), &json!([]))
    );
    let fresh = cleo.sync(json!({&room: {"seq": 5, "rev": 2}})).await;
    assert_eq!(fresh["rooms"][0]["complete"], true);
    assert_eq!(fresh["rooms"][0]["messages"], json!([as_others_see(&after)]));
    assert_eq!(cleo.get("/chat/rooms").await.ok()[0]["unread_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_or_else_first_member_succeeds_an_owner_who_leaves() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let room = ana.group_with(&[&ben]).await;
    ana.add(&room, &cleo).await.ok();
    ana.add(&room, &dana).await.ok();
    stack.make_admin(&room, &dana).await;
    let mut at_cleo = cleo.socket().await;
    for (owner, successor, count) in [(&ana, &dana, 3), (&dana, &ben, 2), (&ben, &cleo, 1)] {
        owner.remove(&room, owner).await.nothing();
        let frame = at_cleo.expect("participant_left").await["data"].take();
        assert_eq!((&frame["user_id"], &frame["participant_count"]), (&json!(owner.id), &json!(count)));
        assert_eq!(frame["new_owner_id"], json!(successor.id));
        let content = at_cleo.expect("new_message").await["data"]["content"].take();
        assert_eq!(content, format!("{} left", owner.name));
        let members = cleo.room(&room).await.ok()["participants"].take();
        let owners: Vec<_> =
            members.as_array().unwrap().iter().filter(|member| member["role"] == "owner").collect();
        assert_eq!((owners.len(), &owners[0]["user_id"]), (1, &json!(successor.id)));
    }
    cleo.add(&room, &ben).await.ok();
    at_cleo.expect("participant_joined").await;
    at_cleo.expect("new_message").await;
    // The owner does not change when a member leaves.
    ben.remove(&room, &ben).await.nothing();
    assert_eq!(at_cleo.expect("participant_left").await["data"]["new_owner_id"], Value::Null);
    at_cleo.expect("new_message").await;
    cleo.remove(&room, &cleo).await.nothing();
    assert_eq!(at_cleo.expect("participant_left").await["data"]["participant_count"], 0);
    at_cleo.expect_nothing_more().await;
    for user in [&ana, &ben, &cleo, &dana] {
        user.room(&room).await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_and_admins_add_or_remove_members() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo, eve] = stack.actors(["ana", "ben", "cleo", "eve"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    stack.make_admin(&room, &ben).await;
    let mut unknown = eve.clone();
    unknown.id = uuid::Uuid::new_v4().to_string();
    let before = ana.room(&room).await.ok();
    // Also for existing members, because each call notifies them again.
    for other in [&eve, &ben] {
        cleo.add(&room, other).await.problem(403, "not_allowed");
    }
    for (user, other) in [(&cleo, &ben), (&cleo, &ana), (&ben, &ana)] {
        user.remove(&room, other).await.problem(403, "not_allowed");
    }
    for other in [&unknown, &eve] {
        ana.remove(&room, other).await.nothing();
        cleo.remove(&room, other).await.problem(403, "not_allowed");
    }
    ana.add(&room, &unknown).await.problem(404, "not_found");
    for other in [&eve, &cleo] {
        eve.add(&room, other).await.problem(404, "not_found");
    }
    eve.remove(&room, &cleo).await.problem(404, "not_found");
    for room in [room.clone(), uuid::Uuid::new_v4().to_string()] {
        eve.remove(&room, &eve).await.nothing();
    }
    for path in
        [format!("/chat/rooms/{room}/participants/eve"), format!("/chat/rooms/gym/participants/{}", eve.id)]
    {
        let field = if path.contains("gym") { "room_id" } else { "user_id" };
        ana.put(&path).await.bad_field(field);
        ana.delete(&path).await.bad_field(field);
        stack.stranger(None).put(&path).await.problem(401, "invalid_token");
        stack.stranger(None).delete(&path).await.problem(401, "invalid_token");
    }
    let direct = ana.room_with(&ben).await;
    for other in [&cleo, &ben] {
        ana.add(&direct, other).await.problem(403, "direct_room");
    }
    for other in [&ana, &ben] {
        ana.remove(&direct, other).await.problem(403, "direct_room");
    }
    assert_eq!(ana.room(&room).await.ok(), before);

    ben.add(&room, &eve).await.ok();
    ben.remove(&room, &cleo).await.nothing();
    ana.remove(&room, &ben).await.nothing();
    assert_eq!(eve.room(&room).await.ok()["participant_count"], 2);
    stack.fill(&room).await;
    ana.add(&room, &cleo).await.problem(409, "room_full");
    ana.add(&room, &eve).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_joins_and_messages_leave_one_order_without_gaps() {
    const MESSAGES_EACH: usize = 6;
    const MAX_ATTEMPTS: usize = 50;
    let stack = TestStack::new().await;
    let [ana, ben, cleo, dana, elif] = stack.actors(["ana", "ben", "cleo", "dana", "elif"]).await;
    let room = ana.group_with(&[&ben]).await;
    let sending = [&ana, &ben].map(|user| async {
        for n in 0..MESSAGES_EACH {
            user.send_message(&room, &format!("m{n}")).await;
        }
    });
    let joining = [&cleo, &dana, &elif].map(|user| async {
        for _ in 0..MAX_ATTEMPTS {
            let answer = ana.add(&room, user).await;
            if answer.status == 200 {
                return;
            }
            answer.problem(503, "busy");
            assert!(answer.headers.contains_key("retry-after"));
        }
        panic!("{MAX_ATTEMPTS} attempts were not enough");
    });
    tokio::join!(futures::future::join_all(sending), futures::future::join_all(joining));

    let log = ana.history(&room).await;
    let seqs: Vec<_> = log.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=(2 * MESSAGES_EACH + 3) as u64).collect::<Vec<_>>(), "no gaps, no duplicates");
    for user in [&cleo, &dana, &elif] {
        let seen = user.history(&room).await;
        assert_eq!(seen[0]["content"], format!("ana added {}", user.name));
        let ids =
            |messages: &[Value]| messages.iter().map(|message| message["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&seen), ids(&log[log.len() - seen.len()..]));
    }
    let answer = ana.room(&room).await.ok();
    assert_eq!((&answer["participant_count"], &answer["rev"]), (&json!(5), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_flight_reaches_the_members_at_the_time_of_delivery() {
    let (stack, proxy) = TestStack::with_proxy().await;
    let [ana, ben, cleo, dana] = stack.actors(["ana", "ben", "cleo", "dana"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let (mut at_ben, mut at_cleo, mut at_dana) =
        (ben.socket().await, cleo.socket().await, dana.socket().await);
    // The message is in the log, and the function is about to read presence.
    let committed =
        proxy.hold(|call| call.caller == "ChatSendMessageFunction" && call.body.contains("PRESENCE"));
    let sending = tokio::spawn({
        let (ana, room) = (ana.clone(), room.clone());
        async move { ana.send_message(&room, "just in time").await }
    });
    let guard = committed.caught().await;
    ana.remove(&room, &cleo).await.nothing();
    ana.add(&room, &dana).await.ok();
    at_cleo.expect("participant_left").await;
    at_dana.expect("room_created").await;
    assert_eq!(at_dana.expect("new_message").await["data"]["content"], "ana added dana");
    drop(guard);
    let sent = sending.await.unwrap();
    for (kind, seq) in [
        ("participant_left", None),
        ("new_message", Some(2)),
        ("participant_joined", None),
        ("new_message", Some(3)),
        ("new_message", Some(1)),
    ] {
        assert_eq!(at_ben.expect(kind).await["data"]["seq"].as_u64(), seq);
    }
    for device in [&mut at_ben, &mut at_cleo, &mut at_dana] {
        device.expect_nothing_more().await;
    }
    let first = ben.message(&room, 1).await;
    assert_eq!((&first["id"], &first["content"]), (&sent["id"], &json!("just in time")));
}
