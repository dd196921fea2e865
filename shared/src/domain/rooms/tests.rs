use uuid::Uuid;

use super::*;

/// A group with two members.
pub fn group() -> Room {
    Room {
        id: RoomId::random(),
        kind: RoomKind::Group,
        name: None,
        avatar_url: None,
        description: None,
        history_visibility: HistoryVisibility::Joined,
        created_at: Timestamp::from_seconds(0),
        created_by: user(1),
        members_version: 1,
        rev: 0,
        is_closed: false,
        deleted_by: None,
        expires_at: None,
        member_count: 2,
        first_members: Vec::new(),
        pinned: Vec::new(),
        uncounted: Uncounted::default(),
    }
}

pub fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// A member with these receipt positions.
pub fn member(n: u128, read_seq: u64, delivered_seq: u64) -> Member {
    let joined_at = Timestamp::from_seconds(0);
    let shown = ShownMember {
        user_id: user(n),
        username: format!("u{n}"),
        display_name: None,
        avatar_url: None,
        hides_reads: false,
        joined_at,
    };
    Member { read_seq, delivered_seq, ..Member::new(shown, Role::Member, 1) }
}

pub fn hiding_reads(member: Member) -> Member {
    Member { shown: ShownMember { hides_reads: true, ..member.shown }, ..member }
}

#[test]
fn a_member_who_hides_read_receipts_sees_only_their_own() {
    let (ana, ben) = (member(1, 5, 5), member(2, 4, 5));
    assert_eq!(ana.read_seq_shown_to(&ben), 5);
    let ana = hiding_reads(ana);
    assert_eq!((ana.read_seq_shown_to(&ben), ana.read_seq_shown_to(&ana)), (0, 5));
    assert_eq!(ben.read_seq_shown_to(&ana), 0);
    assert_eq!(ben.read_seq_shown_to(&hiding_reads(ana)), 0);
}

#[test]
fn receipts_are_not_below_the_messages_that_the_reader_sees() {
    let (ana, ben) = (member(1, 5, 6), member(2, 0, 0));
    let shown_to = |reader: &Member, from_seq| {
        let reader = Member { from_seq, ..reader.clone() };
        (ana.read_seq_shown_to(&reader), ana.received_seq_shown_to(&reader))
    };
    assert_eq!([1, 6, 7, 8].map(|from_seq| shown_to(&ben, from_seq)), [(5, 6), (5, 6), (6, 6), (7, 7)]);
    assert_eq!(shown_to(&hiding_reads(ben), 8), (0, 7));
}

#[test]
fn the_caller_is_last_and_the_other_members_keep_their_order() {
    let mut members = [2, 1, 3];
    caller_last(&mut members, |member| *member == 2);
    assert_eq!(members, [1, 3, 2]);
}
