//! Reactions: the emojis on a message, their counts, the users behind them, and the resulting frames.

use serde_json::{Value, json};

use crate::harness::{TestStack, each, next_on_each};

/// The `reactions` field of a message: `[{emoji, count, mine}]`.
fn reactions(counts: &[(&str, u64, bool)]) -> Value {
    counts.iter().map(|(emoji, count, mine)| json!({"emoji": emoji, "count": count, "mine": mine})).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_sees_the_reaction_counts_and_their_own_reactions() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let shown = json!({"display_name": "Ben Okafor", "avatar_url": "https://pictures.example.net/ben.jpg"});
    ben.patch("/users/me", shown).await.ok();
    let room = ana.group_with(&[&ben, &cleo]).await;
    let message = ana.send_message(&room, "six o'clock?").await;
    let (mut at_ana, mut phone, mut tablet) = (ana.socket().await, ben.socket().await, ben.socket().await);
    let mut at_cleo = cleo.socket().await;

    let answer = ben.react(&message, "👍").await.ok();
    assert_eq!((&answer["reactions"], &answer["rev"]), (&reactions(&[("👍", 1, true)]), &json!(1)));
    let frames = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    let frame = |rev: u64, emoji: &str, is_added: bool, reactions: Value| {
        json!({
            "chat_room_id": room, "message_id": message["id"], "seq": 1, "rev": rev, "user_id": ben.id,
            "username": "ben", "display_name": "Ben Okafor",
            "avatar_url": "https://pictures.example.net/ben.jpg", "emoji": emoji, "is_added": is_added, "reactions": reactions
        })
    };
    let expected = [false, true, true, false].map(|mine| frame(1, "👍", true, reactions(&[("👍", 1, mine)])));
    assert_eq!(frames, expected);
    // A retry notifies with the current message: the first call may have failed before it sent any frame.
    assert_eq!(ben.react(&message, "👍").await.ok(), answer);
    let frames = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_updated").await;
    assert_eq!(frames[1..3], [answer.clone(), answer]);
    for (frame, user) in [(&frames[0], &ana), (&frames[3], &cleo)] {
        assert_eq!(*frame, user.message(&room, 1).await);
    }

    for emoji in ["🔥", "👍"] {
        cleo.react(&message, emoji).await.ok();
        next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    }
    for (user, mine) in [(&ana, [false, false]), (&ben, [true, false]), (&cleo, [true, true])] {
        let seen = reactions(&[("👍", 2, mine[0]), ("🔥", 1, mine[1])]);
        assert_eq!(
            user.message(&room, 1).await["reactions"],
            seen,
            "{}: in the order of first use",
            user.name
        );
        assert_eq!(user.get("/chat/rooms").await.ok()[0]["last_message"]["reactions"], seen);
        assert_eq!(user.room(&room).await.ok()["last_message"]["reactions"], seen);
    }

    let answer = ben.unreact(&message, "👍").await.ok();
    assert_eq!(answer["reactions"], reactions(&[("👍", 1, false), ("🔥", 1, false)]));
    let frames = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    let expected = [false, false, false, true]
        .map(|mine| frame(4, "👍", false, reactions(&[("👍", 1, mine), ("🔥", 1, mine)])));
    assert_eq!(frames, expected);
    for emoji in ["👍", "🎉"] {
        assert_eq!(
            ben.unreact(&message, emoji).await.ok(),
            answer,
            "removing a missing reaction changes nothing"
        );
    }
    cleo.unreact(&message, "👍").await.ok();
    assert_eq!(ana.message(&room, 1).await["reactions"], reactions(&[("🔥", 1, false)]));
    assert_eq!(ana.message(&room, 1).await["content"], "six o'clock?");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_who_reacted_are_listed_in_pages() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let message = ana.send_message(&room, "six o'clock?").await;
    assert_eq!(ana.reactions(&message).await.ok(), json!([]));
    for (user, emoji) in [(&ben, "🔥"), (&ben, "👍"), (&ana, "👍"), (&cleo, "🔥")] {
        user.react(&message, emoji).await.ok();
    }
    cleo.unreact(&message, "🔥").await.ok();
    cleo.react(&message, "🎉").await.ok();

    let all = cleo.reactions(&message).await.ok();
    let mut expected = [(&ana, json!(["👍"])), (&ben, json!(["🔥", "👍"])), (&cleo, json!(["🎉"]))];
    expected.sort_by_key(|(user, _)| &user.id);
    for (entry, (user, emojis)) in all.as_array().unwrap().iter().zip(&expected) {
        assert_eq!((&entry["user_id"], &entry["username"]), (&json!(user.id), &json!(user.name)));
        assert_eq!(&entry["emojis"], emojis);
    }
    assert_eq!(each(&all, "user_id").len(), 3);

    let path = format!("{}/reactions", crate::harness::path_of(&message));
    let (mut pages, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = ben.get(&format!("{path}{query}")).await;
        pages.extend(page.ok().as_array().unwrap().iter().cloned());
        let Some(cursor) = page.headers.get("x-next-cursor") else { break };
        query = format!("?limit=2&cursor={}", cursor.to_str().unwrap());
    }
    assert_eq!(Value::from(pages), all);
    for query in ["limit=0", "limit=101", "cursor=%20"] {
        ben.get(&format!("{path}?{query}")).await.problem(422, "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_at_most_twenty_different_reactions_and_five_per_user() {
    const EMOJIS: [&str; 20] = [
        "👍", "👎", "🔥", "🎉", "😀", "😂", "😍", "😮", "😢", "😡", "🙏", "💪", "👏", "🏃", "🚴", "🏊", "🥇",
        "☕", "🍎", "🌍",
    ];
    let stack = TestStack::new().await;
    let users = stack.actors(["ana", "ben", "cleo", "dana", "elif"]).await;
    let elif = &users[4];
    let room = elif.group_with(&users[..4].iter().collect::<Vec<_>>()).await;
    let message = elif.send_message(&room, "how was it?").await;
    for (user, emojis) in users.iter().zip(EMOJIS.chunks(5)) {
        for emoji in emojis {
            user.react(&message, emoji).await.ok();
        }
        user.react(&message, "✅").await.problem(409, "too_many_reactions");
        user.react(&message, emojis[0]).await.ok();
    }
    elif.react(&message, "✅").await.problem(409, "too_many_reactions");
    let full = elif.react(&message, EMOJIS[7]).await.ok();
    assert_eq!(each(&full["reactions"], "emoji"), EMOJIS, "an existing emoji does not count again");
    assert_eq!(full["reactions"][7], json!({"emoji": EMOJIS[7], "count": 2, "mine": true}));

    let ana = &users[0];
    ana.unreact(&message, EMOJIS[0]).await.ok();
    ana.react(&message, EMOJIS[19]).await.ok();
    elif.react(&message, "✅").await.ok();
    let seen = ana.message(&room, 1).await["reactions"].clone();
    assert_eq!(each(&seen, "emoji"), [&EMOJIS[1..], &["✅"]].concat(), "a new emoji is last");
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_of_one_emoji_are_one_reaction_and_other_text_is_rejected() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let message = ana.send_message(&room, "hello").await;
    for invalid in ["a", "1", "👍👍", "👍a", ":)", "thumbsup", "%20", "%25", "%F0%9F"] {
        ana.react(&message, invalid).await.bad_field("emoji");
        ana.unreact(&message, invalid).await.bad_field("emoji");
    }
    assert_eq!(ben.message(&room, 1).await["rev"], 0);
    // A heart without its variation selector, a thumb in two skin tones, and a flag of four code points.
    for emoji in ["\u{2764}", "👍", "👍🏽", "🏳️‍🌈", "%F0%9F%91%8D"] {
        ana.react(&message, emoji).await.ok();
    }
    let answer = ben.react(&message, "\u{2764}\u{fe0f}").await.ok();
    let expected = [("\u{2764}\u{fe0f}", 2, true), ("👍", 1, false), ("👍🏽", 1, false), ("🏳️‍🌈", 1, false)];
    assert_eq!(answer["reactions"], reactions(&expected));

    let message = ana.send_message(&room, "done").await;
    for (plain, with_selector) in [
        ("💪🏽", "💪🏽\u{fe0f}"),
        ("🔥", "🔥\u{fe0f}"),
        ("🎉", "🎉\u{fe0f}"),
        ("💯", "💯\u{fe0f}"),
        ("🙏", "🙏\u{fe0f}"),
    ] {
        ana.react(&message, plain).await.ok();
        let answer = ben.react(&message, with_selector).await.ok();
        assert_eq!(answer["reactions"].as_array().unwrap().last().unwrap()["emoji"], plain);
    }
    let expected = ["💪🏽", "🔥", "🎉", "💯", "🙏"].map(|emoji| (emoji, 2, true));
    assert_eq!(ana.message(&room, 2).await["reactions"], reactions(&expected));
    ana.unreact(&message, "🔥\u{fe0f}").await.ok();
    assert_eq!(ben.message(&room, 2).await["reactions"][1], json!({"emoji": "🔥", "count": 1, "mine": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reactions_of_many_users_are_all_counted() {
    const USERS: usize = 16;
    const MAX_ATTEMPTS: usize = 50;
    let stack = TestStack::new().await;
    let names: Vec<String> = (0..USERS).map(|n| format!("person{n}")).collect();
    let users = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let room = users[0].group_with(&users[1..].iter().collect::<Vec<_>>()).await;
    let message = users[0].send_message(&room, "who comes?").await;
    let reacting = users.iter().map(|user| {
        let (user, message) = (user.clone(), message.clone());
        async move {
            for attempts in 1..MAX_ATTEMPTS {
                let answer = user.react(&message, "🏃").await;
                if answer.status == 200 {
                    return attempts;
                }
                answer.problem(503, "busy");
                assert!(answer.headers.contains_key("retry-after"));
            }
            panic!("{MAX_ATTEMPTS} attempts were not enough");
        }
    });
    let attempts = futures::future::join_all(reacting.map(tokio::spawn)).await;
    let attempts: usize = attempts.into_iter().map(|attempts| attempts.unwrap()).sum();
    println!("{USERS} concurrent reactions took {attempts} calls");
    let seen = users[3].room(&room).await.ok();
    assert_eq!(seen["last_message"]["reactions"], reactions(&[("🏃", USERS as u64, true)]));
    assert_eq!((&seen["rev"], &seen["last_message"]["rev"]), (&json!(USERS), &json!(USERS)));
    assert_eq!(users[0].reactions(&message).await.ok().as_array().unwrap().len(), USERS);
}
