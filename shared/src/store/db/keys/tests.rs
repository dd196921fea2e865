use uuid::Uuid;

use super::*;

#[test]
fn one_range_reads_head_members_and_room_and_nothing_else() {
    let (r, u) = (RoomId::random(), UserId::from(Uuid::new_v4()));
    let range = room_with_members(r);
    let inside = |key: &Key| key.pk == range.pk && (&range.first..=&range.last).contains(&&key.sk);
    assert!(inside(&head(r)) && inside(&member(r, u)) && inside(&meta(r)));
    assert!(!inside(&message(r, 1)) && !inside(&change(r, 1)) && !inside(&reaction(r, 1, u)));
    let all = room_items(r);
    let keys = [head(r), member(r, u), meta(r), message(r, 1), change(r, 1), reaction(r, 1, u)];
    assert!(keys.iter().all(|key| (&all.first..=&all.last).contains(&&key.sk)));
}

#[test]
fn messages_sort_by_position() {
    let r = RoomId::random();
    assert!(message(r, 9) < message(r, 10) && message(r, 10) < message(r, 999_999_999_999));
    let from = messages_from(r, 7);
    assert!((from.first..=from.last).contains(&message(r, 999_999_999_999).sk));
}

#[test]
fn a_pending_deletion_has_its_target_in_its_key() {
    let (u, r) = (UserId::from(Uuid::new_v4()), RoomId::random());
    for of in [
        DeletionTarget::Account(u),
        DeletionTarget::Room(r),
        DeletionTarget::SenderName { user: u, room: r, after_seq: 0 },
    ] {
        assert_eq!(deletion_target_of(&deletion(of).sk), Some(of));
    }
    assert_eq!(deletion_target_of("A"), None);
}

#[test]
fn a_connection_round_trips_through_its_attribute() {
    let id = ConnectionId("L0SM9cOFvHcCIhw=".to_owned());
    assert_eq!(connection_of(&connection_attribute(&id)), Some(id));
    assert_eq!(connection_of("last_seen"), None);
}

/// The partition and sort keys of a function, as `docs/data-model.md` writes them. A function has several
/// sort keys if it takes an enum.
type Documented = (String, Vec<String>, Vec<String>);

#[test]
fn the_data_model_document_lists_every_key_as_its_function_returns_it() {
    let listed = documented_keys(include_str!("../../../../../docs/data-model.md"));
    assert_eq!(listed, sample_keys());
    let names = listed.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, key_functions(include_str!("../keys.rs")));
}

/// The rows of the key table, in the order of their functions' names. Code spans are the names and the
/// patterns.
fn documented_keys(document: &str) -> Vec<Documented> {
    let spans = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = document.lines().skip_while(|line| !line.starts_with("| function | pk | sk |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|row| {
        let mut cells = row.split('|').skip(1).map(spans);
        let mut next = || cells.next().unwrap_or_default();
        (next().concat(), next(), next())
    });
    let mut rows: Vec<Documented> = rows.collect();
    rows.sort();
    rows
}

/// The names of the functions that return a key, in order.
fn key_functions(source: &str) -> Vec<&str> {
    let functions = source.split("\npub fn ").skip(1).filter_map(|function| {
        let (name, signature) = function.split_once(" {\n")?.0.split_once('(')?;
        signature.ends_with("-> Key").then_some(name)
    });
    let mut names: Vec<&str> = functions.collect();
    names.sort_unstable();
    names
}

/// The keys of sample ids, with placeholders in place of the ids, in the order of their functions' names.
fn sample_keys() -> Vec<Documented> {
    let user = || UserId::from(Uuid::new_v4());
    let (u, sender, receiver, friend_id, blocked) = (user(), user(), user(), user(), user());
    let (low, high, r, request) = (user(), user(), RoomId::random(), RequestId::from(Uuid::new_v4()));
    let (device_id, report_id) = (DeviceId::from(Uuid::new_v4()), ReportId::from(Uuid::new_v4()));
    let (seq, rev, at) = (123_456, 654_321, Timestamp::from_seconds(1_770_000_000));
    let sender_name = DeletionTarget::SenderName { user: u, room: r, after_seq: seq };
    let deletions = [DeletionTarget::Account(u), DeletionTarget::Room(r), sender_name].map(deletion);
    let samples: Vec<(&str, Vec<Key>)> = vec![
        ("block", vec![block(u, blocked)]),
        ("change", vec![change(r, rev)]),
        ("deletion", deletions.to_vec()),
        ("device", vec![device(u, device_id)]),
        ("email_claim", vec![email_claim("{sha256}")]),
        ("former_room", vec![former_room(u, r)]),
        ("friend", vec![friend(u, friend_id)]),
        ("group_creation", vec![group_creation(u, "{client_room_id}")]),
        ("head", vec![head(r)]),
        ("member", vec![member(r, u)]),
        ("message", vec![message(r, seq)]),
        ("meta", vec![meta(r)]),
        ("my_room", vec![my_room(u, r)]),
        ("pair", vec![pair(low, high)]),
        ("presence", vec![presence(u)]),
        ("profile", vec![profile(u)]),
        ("push_token_claim", vec![push_token_claim("{sha256}")]),
        ("quotas", vec![quotas(u)]),
        ("rate", vec![rate(u, "{action}")]),
        ("reaction", vec![reaction(r, seq, u)]),
        ("report", vec![report(at, report_id)]),
        ("reported", vec![reported(u, report_id)]),
        ("request_in", vec![request_in(receiver, request)]),
        ("request_out", vec![request_out(sender, request)]),
        ("search_suffix", vec![search_suffix("{partition}", "{suffix}", u)]),
        ("username_claim", vec![username_claim("{folded}")]),
    ];
    let placeholders = [
        (u.to_string(), "{user_id}"),
        (sender.to_string(), "{sender_id}"),
        (receiver.to_string(), "{receiver_id}"),
        (friend_id.to_string(), "{friend_id}"),
        (blocked.to_string(), "{blocked_id}"),
        (low.to_string(), "{low}"),
        (high.to_string(), "{high}"),
        (r.to_string(), "{room_id}"),
        (request.to_string(), "{request_id}"),
        (device_id.to_string(), "{device_id}"),
        (report_id.to_string(), "{report_id}"),
        (padded(seq), "{seq:012}"),
        (padded(rev), "{rev:012}"),
        (at.to_string(), "{created_at}"),
        (at.day(), "{day}"),
    ];
    let pattern = |key: String| placeholders.iter().fold(key, |key, (id, name)| key.replace(id, name));
    let patterns = |(name, keys): (&str, Vec<Key>)| {
        let keys = keys.into_iter().map(|key| (pattern(key.pk), pattern(key.sk)));
        let (mut pks, sks): (Vec<String>, Vec<String>) = keys.unzip();
        pks.dedup();
        (name.to_owned(), pks, sks)
    };
    samples.into_iter().map(patterns).collect()
}
