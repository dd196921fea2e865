//! Reactions: who put which emoji to a message, how many of them there are, and who hears of it.

use serde_json::{Value, json};

use crate::harness::{TestStack, each, next_on_each};

/// `[{emoji, count, mine}]`.
fn tallies(tallies: &[(&str, u64, bool)]) -> Value {
    tallies.iter().map(|(emoji, count, mine)| json!({"emoji": emoji, "count": count, "mine": mine})).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sees_how_many_reacted_and_whether_they_did_themselves() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let said = ana.send_message(&room, "six o'clock?").await;
    let (mut at_ana, mut phone, mut tablet) = (ana.socket().await, ben.socket().await, ben.socket().await);
    let mut at_cleo = cleo.socket().await;

    let answer = ben.react(&said, "👍").await.ok();
    assert_eq!((&answer["reactions"], &answer["rev"]), (&tallies(&[("👍", 1, true)]), &json!(1)));
    let heard = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    let frame = |rev: u64, emoji: &str, is_added: bool, reactions: Value| {
        json!({
            "chat_room_id": room, "message_id": said["id"], "seq": 1, "rev": rev, "user_id": ben.id,
            "username": "ben", "emoji": emoji, "is_added": is_added, "reactions": reactions
        })
    };
    let expected = [false, true, true, false].map(|mine| frame(1, "👍", true, tallies(&[("👍", 1, mine)])));
    assert_eq!(heard, expected);
    // Told again, as the message stands, because the first try may have died before it told anyone.
    assert_eq!(ben.react(&said, "👍").await.ok(), answer);
    let heard = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_updated").await;
    assert_eq!(heard[1..3], [answer.clone(), answer]);
    for (heard, who) in [(&heard[0], &ana), (&heard[3], &cleo)] {
        assert_eq!(*heard, who.message(&room, 1).await);
    }

    for emoji in ["🔥", "👍"] {
        cleo.react(&said, emoji).await.ok();
        next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    }
    for (who, mine) in [(&ana, [false, false]), (&ben, [true, false]), (&cleo, [true, true])] {
        let seen = tallies(&[("👍", 2, mine[0]), ("🔥", 1, mine[1])]);
        assert_eq!(who.message(&room, 1).await["reactions"], seen, "{}: in the order of first use", who.name);
        assert_eq!(who.get("/chat/rooms").await.ok()[0]["last_message"]["reactions"], seen);
        assert_eq!(who.room(&room).await.ok()["last_message"]["reactions"], seen);
    }

    let answer = ben.unreact(&said, "👍").await.ok();
    assert_eq!(answer["reactions"], tallies(&[("👍", 1, false), ("🔥", 1, false)]));
    let heard = next_on_each([&mut at_ana, &mut phone, &mut tablet, &mut at_cleo], "message_reaction").await;
    let expected = [false, false, false, true]
        .map(|mine| frame(4, "👍", false, tallies(&[("👍", 1, mine), ("🔥", 1, mine)])));
    assert_eq!(heard, expected);
    for emoji in ["👍", "🎉"] {
        assert_eq!(ben.unreact(&said, emoji).await.ok(), answer, "it was not there");
    }
    cleo.unreact(&said, "👍").await.ok();
    assert_eq!(ana.message(&room, 1).await["reactions"], tallies(&[("🔥", 1, false)]));
    assert_eq!(ana.message(&room, 1).await["content"], "six o'clock?");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reacted_is_a_list_of_people_page_by_page() {
    let stack = TestStack::new().await;
    let [ana, ben, cleo] = stack.actors(["ana", "ben", "cleo"]).await;
    let room = ana.group_with(&[&ben, &cleo]).await;
    let said = ana.send_message(&room, "six o'clock?").await;
    assert_eq!(ana.reactions(&said).await.ok(), json!([]));
    for (who, emoji) in [(&ben, "🔥"), (&ben, "👍"), (&ana, "👍"), (&cleo, "🔥")] {
        who.react(&said, emoji).await.ok();
    }
    cleo.unreact(&said, "🔥").await.ok();
    cleo.react(&said, "🎉").await.ok();

    let all = cleo.reactions(&said).await.ok();
    let mut people = [(&ana, json!(["👍"])), (&ben, json!(["🔥", "👍"])), (&cleo, json!(["🎉"]))];
    people.sort_by_key(|(who, _)| &who.id);
    for (entry, (who, emojis)) in all.as_array().unwrap().iter().zip(&people) {
        assert_eq!((&entry["user_id"], &entry["username"]), (&json!(who.id), &json!(who.name)));
        assert_eq!(&entry["emojis"], emojis);
    }
    assert_eq!(each(&all, "user_id").len(), 3);

    let path = format!("{}/reactions", crate::harness::path_of(&said));
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
async fn a_person_puts_five_kinds_to_a_message_which_takes_twenty() {
    const KINDS: [&str; 20] = [
        "👍", "👎", "🔥", "🎉", "😀", "😂", "😍", "😮", "😢", "😡", "🙏", "💪", "👏", "🏃", "🚴", "🏊", "🥇",
        "☕", "🍎", "🌍",
    ];
    let stack = TestStack::new().await;
    let people = stack.actors(["ana", "ben", "cleo", "dana", "elif"]).await;
    let elif = &people[4];
    let room = elif.group_with(&people[..4].iter().collect::<Vec<_>>()).await;
    let said = elif.send_message(&room, "how was it?").await;
    for (who, kinds) in people.iter().zip(KINDS.chunks(5)) {
        for kind in kinds {
            who.react(&said, kind).await.ok();
        }
        who.react(&said, "✅").await.problem(409, "too_many_reactions");
        who.react(&said, kinds[0]).await.ok();
    }
    elif.react(&said, "✅").await.problem(409, "too_many_reactions");
    let full = elif.react(&said, KINDS[7]).await.ok();
    assert_eq!(each(&full["reactions"], "emoji"), KINDS, "one more of a kind that is there");
    assert_eq!(full["reactions"][7], json!({"emoji": KINDS[7], "count": 2, "mine": true}));

    let ana = &people[0];
    ana.unreact(&said, KINDS[0]).await.ok();
    ana.react(&said, KINDS[19]).await.ok();
    elif.react(&said, "✅").await.ok();
    let seen = ana.message(&room, 1).await["reactions"].clone();
    assert_eq!(each(&seen, "emoji"), [&KINDS[1..], &["✅"]].concat(), "a new kind comes last");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_is_one_reaction_and_what_is_no_emoji_is_refused() {
    let stack = TestStack::new().await;
    let [ana, ben] = stack.actors(["ana", "ben"]).await;
    let room = ana.room_with(&ben).await;
    let said = ana.send_message(&room, "hello").await;
    for not_one in ["a", "1", "👍👍", "👍a", ":)", "thumbsup", "%20", "%25", "%F0%9F"] {
        ana.react(&said, not_one).await.bad_field("emoji");
        ana.unreact(&said, not_one).await.bad_field("emoji");
    }
    assert_eq!(ben.message(&room, 1).await["rev"], 0);
    // A heart with and without the sign that asks for the coloured picture; a thumb in two colours; a flag of four signs.
    for emoji in ["\u{2764}", "👍", "👍🏽", "🏳️‍🌈", "%F0%9F%91%8D"] {
        ana.react(&said, emoji).await.ok();
    }
    let answer = ben.react(&said, "\u{2764}\u{fe0f}").await.ok();
    let kinds = [("\u{2764}\u{fe0f}", 2, true), ("👍", 1, false), ("👍🏽", 1, false), ("🏳️‍🌈", 1, false)];
    assert_eq!(answer["reactions"], tallies(&kinds));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_change_at_once_is_all_changed_and_counted() {
    const PEOPLE: usize = 16;
    const MOST_TRIES: usize = 50;
    let stack = TestStack::new().await;
    let names: Vec<String> = (0..PEOPLE).map(|n| format!("person{n}")).collect();
    let people = futures::future::join_all(names.iter().map(|name| stack.actor(name))).await;
    let room = people[0].group_with(&people[1..].iter().collect::<Vec<_>>()).await;
    let said = people[0].send_message(&room, "who comes?").await;
    let reacting = people.iter().map(|who| {
        let (who, said) = (who.clone(), said.clone());
        async move {
            for tries in 1..MOST_TRIES {
                let answer = who.react(&said, "🏃").await;
                if answer.status == 200 {
                    return tries;
                }
                answer.problem(503, "busy");
                assert!(answer.headers.contains_key("retry-after"));
            }
            panic!("{MOST_TRIES} tries were not enough");
        }
    });
    let tries = futures::future::join_all(reacting.map(tokio::spawn)).await;
    let tries: usize = tries.into_iter().map(|tries| tries.unwrap()).sum();
    println!("{PEOPLE} reactions at once took {tries} calls");
    let seen = people[3].room(&room).await.ok();
    assert_eq!(seen["last_message"]["reactions"], tallies(&[("🏃", PEOPLE as u64, true)]));
    assert_eq!((&seen["rev"], &seen["last_message"]["rev"]), (&json!(PEOPLE), &json!(PEOPLE)));
    assert_eq!(people[0].reactions(&said).await.ok().as_array().unwrap().len(), PEOPLE);
}
