//! The permissions for actions on messages, as tables.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    domain::{
        messages::{Payload, action::*, reaction::Tally},
        rooms::{ShownMember, tests::group},
    },
    id::{MessageId, RoomId, UserId},
};

fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

fn emoji(n: usize) -> Emoji {
    emojis::iter().nth(n).unwrap().as_str().parse().unwrap()
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_seconds(1_770_000_000 + hours * 3600)
}

/// A message of user 1, sent at hour 0.
fn message() -> Message {
    Message {
        id: MessageId::new(at(0), 7),
        room_id: RoomId::random(),
        seq: 7,
        rev: 0,
        sender_id: user(1),
        sender_username: "ana".to_owned(),
        sender_display_name: None,
        client_message_id: "1".to_owned(),
        kind: Kind::Text,
        content: "hello".to_owned(),
        media_url: None,
        reply_to_id: None,
        payload: None,
        created_at: at(0),
        is_forwarded: false,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

/// An action of user `n` with this role on a message of a group.
fn target(n: u128, role: Role, message: Message) -> Target {
    let shown = ShownMember {
        user_id: user(n),
        username: format!("u{n}"),
        display_name: None,
        avatar_url: None,
        hides_reads: false,
        joined_at: at(0),
    };
    Target { room: group(), actor: Member::new(shown, role, 1), message, mine: Vec::new() }
}

/// The outcome of an action, in one word.
fn outcome(target: &Target, action: &MessageAction, now: Timestamp) -> &'static str {
    match action.apply(target.clone(), now) {
        Ok(after) if after == *target => "same",
        Ok(_) => "done",
        Err(Error::Refused(refusal)) => refusal.code,
        Err(Error::Invalid(_)) => "invalid",
        Err(other) => panic!("{other}"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Fresh,
    DayOld,
    Deleted,
    System,
    Pinned,
}
use MessageAction::{Delete, Edit, Pin, React, Unpin, Unreact};
use State::{DayOld, Deleted, Fresh, Pinned, System};

fn in_state(mut target: Target, state: State) -> (Target, Timestamp) {
    match state {
        Fresh => {}
        DayOld => return (target, at(24)),
        Deleted => target.message.deleted_at = Some(at(0)),
        System => target.message.kind = Kind::System,
        Pinned => target.room.pinned.push(target.message.id),
    }
    (target, at(1))
}

fn edit() -> MessageAction {
    Edit("edited".to_owned())
}

fn react() -> MessageAction {
    React(emoji(0))
}

fn unreact() -> MessageAction {
    Unreact(emoji(0))
}

#[test]
fn in_a_group_the_sender_edits_and_owners_and_admins_delete_and_pin() {
    let actors = [(1, Role::Member), (2, Role::Member), (2, Role::Admin), (2, Role::Owner)];
    #[rustfmt::skip]
    let rules = [
        // The state and the action, then the outcome for the sender, another member, an admin and the owner.
        (Fresh,   edit(),    ["done",            "not_the_sender",  "not_the_sender",  "not_the_sender"]),
        (DayOld,  edit(),    ["too_late",        "not_the_sender",  "not_the_sender",  "not_the_sender"]),
        (Pinned,  edit(),    ["done",            "not_the_sender",  "not_the_sender",  "not_the_sender"]),
        (Deleted, edit(),    ["message_deleted", "not_the_sender",  "not_the_sender",  "not_the_sender"]),
        (System,  edit(),    ["not_the_sender",  "not_the_sender",  "not_the_sender",  "not_the_sender"]),
        (Fresh,   Delete,    ["done",            "not_allowed",     "done",            "done"]),
        (DayOld,  Delete,    ["done",            "not_allowed",     "done",            "done"]),
        (Pinned,  Delete,    ["done",            "not_allowed",     "done",            "done"]),
        (Deleted, Delete,    ["same",            "not_allowed",     "same",            "same"]),
        (System,  Delete,    ["not_allowed",     "not_allowed",     "not_allowed",     "not_allowed"]),
        (Fresh,   react(),   ["done",            "done",            "done",            "done"]),
        (DayOld,  react(),   ["done",            "done",            "done",            "done"]),
        (Deleted, react(),   ["message_deleted", "message_deleted", "message_deleted", "message_deleted"]),
        (System,  react(),   ["done",            "done",            "done",            "done"]),
        (Fresh,   unreact(), ["same",            "same",            "same",            "same"]),
        (Deleted, unreact(), ["same",            "same",            "same",            "same"]),
        (Fresh,   Pin,       ["not_allowed",     "not_allowed",     "done",            "done"]),
        (DayOld,  Pin,       ["not_allowed",     "not_allowed",     "done",            "done"]),
        (Pinned,  Pin,       ["not_allowed",     "not_allowed",     "same",            "same"]),
        (Deleted, Pin,       ["not_allowed",     "not_allowed",     "message_deleted", "message_deleted"]),
        (System,  Pin,       ["not_allowed",     "not_allowed",     "done",            "done"]),
        (Fresh,   Unpin,     ["not_allowed",     "not_allowed",     "same",            "same"]),
        (Pinned,  Unpin,     ["not_allowed",     "not_allowed",     "done",            "done"]),
        (Deleted, Unpin,     ["not_allowed",     "not_allowed",     "same",            "same"]),
    ];
    for (state, action, expected) in rules {
        let outcomes = actors.map(|(n, role)| {
            let (target, now) = in_state(target(n, role, message()), state);
            outcome(&target, &action, now)
        });
        assert_eq!(outcomes, expected, "{action:?}, {state:?}");
    }
}

#[test]
fn in_a_direct_room_both_users_pin_and_delete_only_their_own_messages() {
    #[rustfmt::skip]
    let rules = [
        // The state and the action, then the outcome for the sender and for the other user.
        (Fresh,   edit(),    ["done",            "not_the_sender"]),
        (Fresh,   Delete,    ["done",            "not_allowed"]),
        (Fresh,   react(),   ["done",            "done"]),
        (Fresh,   Pin,       ["done",            "done"]),
        (Pinned,  Pin,       ["same",            "same"]),
        (Deleted, Pin,       ["message_deleted", "message_deleted"]),
        (Pinned,  Unpin,     ["done",            "done"]),
    ];
    for (state, action, expected) in rules {
        let outcomes = [1, 2].map(|n| {
            let (mut target, now) = in_state(target(n, Role::Member, message()), state);
            target.room.kind = RoomKind::Direct;
            outcome(&target, &action, now)
        });
        assert_eq!(outcomes, expected, "{action:?}, {state:?}");
    }
}

#[test]
fn a_sender_edits_for_a_day_and_an_edit_without_effect_is_always_allowed() {
    let target = target(1, Role::Member, message());
    let last = Timestamp::from_seconds(at(24).seconds() - 1);
    let edited = edit().apply(target.clone(), last).unwrap();
    assert_eq!((&*edited.message.content, edited.message.edited_at), ("edited", Some(last)));
    assert_eq!(outcome(&target, &edit(), at(24)), "too_late");
    assert_eq!(outcome(&edited, &edit(), at(9999)), "same");
}

#[test]
fn an_edit_leaves_no_blank_message_without_media() {
    let plain = target(1, Role::Member, message());
    let image = Message { kind: Kind::Image, media_url: Some("https://a.example/b".into()), ..message() };
    let image = target(1, Role::Member, image);
    for (content, expected) in [("", ["invalid", "done"]), (" \n", ["invalid", "done"]), ("a", ["done"; 2])] {
        let edit = Edit(content.to_owned());
        let outcomes = [&plain, &image].map(|target| outcome(target, &edit, at(1)));
        assert_eq!(outcomes, expected, "{content:?}");
    }
    assert_eq!(outcome(&plain, &Edit("é".repeat(4001)), at(1)), "invalid");
}

#[test]
fn a_deleted_message_keeps_only_its_position_and_ids() {
    let full = Message {
        kind: Kind::Voice,
        media_url: Some("https://a.example/b".into()),
        reply_to_id: Some(MessageId::new(at(0), 3)),
        payload: Payload::parse("{}").ok(),
        edited_at: Some(at(1)),
        is_forwarded: true,
        reactions: vec![Tally { emoji: emoji(0), count: 3 }],
        ..message()
    };
    let (target, now) = in_state(target(1, Role::Member, full.clone()), Pinned);
    let after = Delete.apply(target, now).unwrap();
    let (id, room_id, kind) = (full.id, full.room_id, full.kind);
    let remaining = Message { id, room_id, kind, is_forwarded: true, ..message() };
    assert_eq!(after.message, Message { content: String::new(), deleted_at: Some(now), ..remaining });
    assert!(after.room.pinned.is_empty());
}

#[test]
fn a_user_adds_at_most_5_reactions_and_a_message_has_at_most_20_different_ones() {
    let mut target = target(1, Role::Member, message());
    for n in 0..5 {
        target = React(emoji(n)).apply(target, at(1)).unwrap();
    }
    assert_eq!(outcome(&target, &React(emoji(5)), at(1)), "too_many_reactions");
    assert_eq!(outcome(&target, &React(emoji(4)), at(1)), "same");
    target.mine.clear();
    for n in 5..20 {
        target.message.reactions.push(Tally { emoji: emoji(n), count: 1 });
    }
    assert_eq!(outcome(&target, &React(emoji(20)), at(1)), "too_many_reactions");
    assert_eq!(outcome(&target, &React(emoji(19)), at(1)), "done", "an emoji that the message already has");
}

#[test]
fn a_room_has_at_most_50_pins_and_the_newest_is_first() {
    let mut target = target(1, Role::Owner, message());
    target.room.pinned = (10..59).map(|seq| MessageId::new(at(0), seq)).collect();
    let pinned = Pin.apply(target.clone(), at(1)).unwrap();
    assert_eq!((pinned.room.pinned.len(), pinned.room.pinned[0]), (50, target.message.id));
    target.room.pinned.push(MessageId::new(at(0), 59));
    assert_eq!(outcome(&target, &Pin, at(1)), "too_many_pins");
    let unpinned = Unpin.apply(pinned, at(1)).unwrap();
    assert_eq!(unpinned.room.pinned, target.room.pinned[..49]);
}

proptest! {
    #[test]
    fn tallies_equal_a_recount_of_the_reactions_of_all_users(
        steps in prop::collection::vec((0..8u128, any::<bool>(), 0..25usize), 0..200),
    ) {
        let (mut message, mut by_user) = (message(), BTreeMap::<u128, Vec<Emoji>>::new());
        for (n, is_added, index) in steps {
            let mine = by_user.entry(n).or_default();
            let before = Target { mine: mine.clone(), ..target(n, Role::Member, message.clone()) };
            let action = if is_added { React(emoji(index)) } else { Unreact(emoji(index)) };
            match action.apply(before, at(1)) {
                Ok(after) => (message, *mine) = (after.message, after.mine),
                Err(Error::Refused(refusal)) => prop_assert_eq!(refusal.code, "too_many_reactions"),
                Err(other) => panic!("{other}"),
            }
        }
        let mut recount = BTreeMap::<&Emoji, u64>::new();
        for emoji in by_user.values().flatten() {
            *recount.entry(emoji).or_default() += 1;
        }
        let tallies: BTreeMap<&Emoji, u64> =
            message.reactions.iter().map(|tally| (&tally.emoji, tally.count)).collect();
        prop_assert_eq!(&tallies, &recount);
        prop_assert_eq!(tallies.len(), message.reactions.len(), "each emoji has one tally");
        prop_assert!(tallies.len() <= MAX_REACTIONS_PER_MESSAGE);
        for mut mine in by_user.into_values() {
            prop_assert!(mine.len() <= MAX_REACTIONS_PER_USER);
            mine.sort();
            prop_assert!(mine.windows(2).all(|two| two[0] != two[1]), "no user has an emoji twice");
        }
    }
}
