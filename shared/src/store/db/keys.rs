//! Every key of the table. No other module spells one.

mod types;

use crate::{
    clock::Timestamp,
    domain::accounts::DeletionTarget,
    id::{ConnectionId, DeviceId, ReportId, RequestId, RoomId, UserId},
};

pub use types::{Key, Range};

/// Sorts after every character that follows a prefix in a sort key.
const END: char = '\u{10FFFF}';

/// The highest position or revision that a sort key can hold.
const LAST_SEQ: u64 = 999_999_999_999;

fn user(user: UserId) -> String {
    format!("USER#{user}")
}

/// The user of a partition key.
pub fn user_of(pk: &str) -> Option<UserId> {
    pk.strip_prefix("USER#")?.parse().ok()
}

fn room(room: RoomId) -> String {
    format!("ROOM#{room}")
}

fn room_of(pk: &str) -> Option<RoomId> {
    pk.strip_prefix("ROOM#")?.parse().ok()
}

fn padded(number: u64) -> String {
    format!("{:012}", number.min(LAST_SEQ))
}

fn message_sk(seq: u64) -> String {
    format!("{MESSAGE}{}", padded(seq))
}

fn change_sk(rev: u64) -> String {
    format!("CHANGE#{}", padded(rev))
}

fn prefix(pk: String, prefix: &str) -> Range {
    Range { pk, first: prefix.to_owned(), last: format!("{prefix}{END}") }
}

/// A whole partition. Every sort key begins with a capital letter; DynamoDB refuses an empty one in a
/// condition.
fn whole(pk: String) -> Range {
    Range { pk, first: "A".into(), last: END.into() }
}

/// A user's profile.
pub fn profile(u: UserId) -> Key {
    Key { pk: user(u), sk: "PROFILE".into() }
}

/// All items of a user's partition.
pub fn user_items(u: UserId) -> Range {
    whole(user(u))
}

/// Prefixes of the sort keys of a user's items that outlive the account: its deletion markers and rate
/// limits.
pub const OUTLIVING_PREFIXES: [&str; 4] = ["PRESENCE", "PROFILE", "QUOTAS", RATE];

/// Prefixes of the sort keys of a user's items that have a counterpart in another partition.
pub const COUNTERPART_PREFIXES: [&str; 7] =
    [BLOCK, DEVICE, FORMER_ROOM, FRIEND, REQUEST_IN, REQUEST_OUT, MY_ROOM];

/// The claim to a username; `folded` as in `domain::users::username`.
pub fn username_claim(folded: &str) -> Key {
    Key { pk: format!("NAME#{folded}"), sk: "NAME".into() }
}

/// The claim to an email address, by the hex SHA-256 of its folded form.
pub fn email_claim(sha256: &str) -> Key {
    Key { pk: format!("EMAIL#{sha256}"), sk: "EMAIL".into() }
}

/// A suffix of a username in the search index. No username or query has two spaces in a row, so a query never
/// reaches the id. And no character sorts before a space, so a username that is the query is found first.
pub fn search_suffix(partition: &str, suffix: &str, u: UserId) -> Key {
    Key { pk: format!("FIND#{partition}"), sk: format!("{suffix}  {u}") }
}

/// The indexed suffixes that begin with `query`.
pub fn search(partition: &str, query: &str) -> Range {
    prefix(format!("FIND#{partition}"), query)
}

/// A user's presence: the live connections.
pub fn presence(u: UserId) -> Key {
    Key { pk: user(u), sk: "PRESENCE".into() }
}

/// The attribute of a connection in a presence item.
pub fn connection_attribute(connection: &ConnectionId) -> String {
    format!("{CONNECTION}{connection}")
}

/// The connection of an attribute of a presence item.
pub fn connection_of(attribute: &str) -> Option<ConnectionId> {
    attribute.strip_prefix(CONNECTION).map(|id| ConnectionId(id.to_owned()))
}

const CONNECTION: &str = "connection:";

/// The relationship of two users.
pub fn pair(low: UserId, high: UserId) -> Key {
    Key { pk: format!("PAIR#{low}#{high}"), sk: "PAIR".into() }
}

/// A pending request in the receiver's list.
pub fn request_in(receiver: UserId, request: RequestId) -> Key {
    Key { pk: user(receiver), sk: format!("{REQUEST_IN}{request}") }
}

/// A pending request in the sender's list.
pub fn request_out(sender: UserId, request: RequestId) -> Key {
    Key { pk: user(sender), sk: format!("{REQUEST_OUT}{request}") }
}

/// All pending requests that a user has received.
pub fn requests_in(u: UserId) -> Range {
    prefix(user(u), REQUEST_IN)
}

/// All pending requests that a user has sent.
pub fn requests_out(u: UserId) -> Range {
    prefix(user(u), REQUEST_OUT)
}

/// A friend in the list of `u`.
pub fn friend(u: UserId, friend: UserId) -> Key {
    Key { pk: user(u), sk: format!("{FRIEND}{friend}") }
}

/// All friends of a user.
pub fn friends(u: UserId) -> Range {
    prefix(user(u), FRIEND)
}

/// The friends of a user with ids from `first` to `last`, both included.
pub fn friends_between(u: UserId, first: UserId, last: UserId) -> Range {
    let (first, last) = (friend(u, first), friend(u, last));
    Range { pk: first.pk, first: first.sk, last: last.sk }
}

/// A user that `u` blocks.
pub fn block(u: UserId, blocked: UserId) -> Key {
    Key { pk: user(u), sk: format!("{BLOCK}{blocked}") }
}

/// All users that a user blocks.
pub fn blocks(u: UserId) -> Range {
    prefix(user(u), BLOCK)
}

/// A user's device.
pub fn device(u: UserId, device: DeviceId) -> Key {
    Key { pk: user(u), sk: format!("{DEVICE}{device}") }
}

/// All devices of a user.
pub fn devices(u: UserId) -> Range {
    prefix(user(u), DEVICE)
}

/// The device of a sort key.
pub fn device_of(sk: &str) -> Option<DeviceId> {
    sk.strip_prefix(DEVICE)?.parse().ok()
}

/// The friend of a sort key.
pub fn friend_of(sk: &str) -> Option<UserId> {
    sk.strip_prefix(FRIEND)?.parse().ok()
}

/// The blocked user of a sort key.
pub fn blocked_of(sk: &str) -> Option<UserId> {
    sk.strip_prefix(BLOCK)?.parse().ok()
}

/// The room of the sort key of a user's list.
pub fn my_room_of(sk: &str) -> Option<RoomId> {
    sk.strip_prefix(MY_ROOM)?.parse().ok()
}

/// The member of a sort key.
pub fn member_of(sk: &str) -> Option<UserId> {
    sk.strip_prefix(MEMBER)?.parse().ok()
}

/// The room and the position of a message's key.
pub fn message_of(key: &Key) -> Option<(RoomId, u64)> {
    Some((room_of(&key.pk)?, key.sk.strip_prefix(MESSAGE)?.parse().ok()?))
}

/// The entry in the other user's list that belongs to an entry of `user`; none for a block.
pub fn counterpart(entry: &Key, user: UserId, other: UserId) -> Option<Key> {
    let request = |id: &str| id.parse::<RequestId>().ok();
    match (entry.sk.strip_prefix(REQUEST_IN), entry.sk.strip_prefix(REQUEST_OUT)) {
        (Some(received), _) => Some(request_out(other, request(received)?)),
        (_, Some(sent)) => Some(request_in(other, request(sent)?)),
        _ => friend_of(&entry.sk).map(|_| friend(other, user)),
    }
}

/// The two users of a pair's partition key.
pub fn pair_of(pk: &str) -> Option<(UserId, UserId)> {
    let (low, high) = pk.strip_prefix("PAIR#")?.split_once('#')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

const FRIEND: &str = "FRIEND#";
const REQUEST_IN: &str = "REQUEST#IN#";
const REQUEST_OUT: &str = "REQUEST#OUT#";
const BLOCK: &str = "BLOCK#";
const MY_ROOM: &str = "ROOM#";
const MEMBER: &str = "MEMBER#";

const DEVICE: &str = "DEVICE#";

/// The claim to a push token, by its hex SHA-256.
pub fn push_token_claim(sha256: &str) -> Key {
    Key { pk: format!("PUSH#{sha256}"), sk: "PUSH".into() }
}

/// A user's quotas: the number of requests, friends, blocks, devices and rooms.
pub fn quotas(u: UserId) -> Key {
    Key { pk: user(u), sk: "QUOTAS".into() }
}

/// A pending deletion.
pub fn deletion(of: DeletionTarget) -> Key {
    let sk = match of {
        DeletionTarget::Account(u) => user(u),
        DeletionTarget::Room(r) => room(r),
        DeletionTarget::SenderName { user: u, room: r, .. } => format!("{}#{}", user(u), room(r)),
    };
    Key { pk: DELETIONS.into(), sk }
}

/// The target of a pending deletion's sort key. Of a sender's name, all messages.
pub fn deletion_target_of(sk: &str) -> Option<DeletionTarget> {
    if let Some(room) = room_of(sk) {
        return Some(DeletionTarget::Room(room));
    }
    match sk.split_once("#ROOM#") {
        Some((user, room)) => {
            let (user, room) = (user_of(user)?, room.parse().ok()?);
            Some(DeletionTarget::SenderName { user, room, after_seq: 0 })
        }
        None => user_of(sk).map(DeletionTarget::Account),
    }
}

/// All pending deletions.
pub fn deletions() -> Range {
    whole(DELETIONS.into())
}

const DELETIONS: &str = "DELETIONS";

/// A room in a member's list.
pub fn my_room(u: UserId, r: RoomId) -> Key {
    Key { pk: user(u), sk: format!("{MY_ROOM}{r}") }
}

/// All rooms of a user.
pub fn my_rooms(u: UserId) -> Range {
    prefix(user(u), MY_ROOM)
}

/// A group that a user has left: the user's name is still on messages there.
pub fn former_room(u: UserId, r: RoomId) -> Key {
    Key { pk: user(u), sk: format!("{FORMER_ROOM}{r}") }
}

/// All groups that a user has left.
pub fn former_rooms(u: UserId) -> Range {
    prefix(user(u), FORMER_ROOM)
}

/// The room of the sort key of a group that a user has left.
pub fn former_room_of(sk: &str) -> Option<RoomId> {
    sk.strip_prefix(FORMER_ROOM)?.parse().ok()
}

const FORMER_ROOM: &str = "FORMER_ROOM#";

/// The creation of a group, by the client's id of it.
pub fn group_creation(u: UserId, client_id: &str) -> Key {
    Key { pk: user(u), sk: format!("GROUP_CREATION#{client_id}") }
}

/// The entry of a report in the reporter's partition.
pub fn reported(u: UserId, report: ReportId) -> Key {
    Key { pk: user(u), sk: format!("REPORTED#{report}") }
}

/// A report to the moderators, in the partition of its day.
pub fn report(made_at: Timestamp, report: ReportId) -> Key {
    Key { pk: format!("REPORT#{}", made_at.day()), sk: format!("{made_at}#{report}") }
}

/// The state of a user's rate limit for one kind of action.
pub fn rate(u: UserId, what: &str) -> Key {
    Key { pk: user(u), sk: format!("{RATE}{what}") }
}

const RATE: &str = "RATE#";

/// The head hint of a room.
pub fn head(r: RoomId) -> Key {
    Key { pk: room(r), sk: HEAD.into() }
}

/// One member of a room.
pub fn member(r: RoomId, u: UserId) -> Key {
    Key { pk: room(r), sk: format!("{MEMBER}{u}") }
}

/// A room's own data.
pub fn meta(r: RoomId) -> Key {
    Key { pk: room(r), sk: META.into() }
}

/// Head hint, members and room: adjacent, so that one query reads them.
pub fn room_with_members(r: RoomId) -> Range {
    Range { pk: room(r), first: HEAD.into(), last: META.into() }
}

/// All items of a room's partition.
pub fn room_items(r: RoomId) -> Range {
    whole(room(r))
}

/// The sort key of the head hint.
pub const HEAD: &str = "HEAD";

/// The prefix of the sort keys of messages.
pub const MESSAGE: &str = "MSG#";

/// The sort key of a room's own data.
pub const META: &str = "META";

/// One message.
pub fn message(r: RoomId, seq: u64) -> Key {
    Key { pk: room(r), sk: message_sk(seq) }
}

/// The messages from position `first` to `last`, both included.
pub fn messages(r: RoomId, first: u64, last: u64) -> Range {
    Range { pk: room(r), first: message_sk(first), last: message_sk(last) }
}

/// The messages from a position on.
pub fn messages_from(r: RoomId, first: u64) -> Range {
    messages(r, first, LAST_SEQ)
}

/// The reactions of one user to a message.
pub fn reaction(r: RoomId, seq: u64, u: UserId) -> Key {
    Key { pk: room(r), sk: format!("REACTION#{}#{u}", padded(seq)) }
}

/// All reactions to a message.
pub fn reactions(r: RoomId, seq: u64) -> Range {
    prefix(room(r), &format!("REACTION#{}#", padded(seq)))
}

/// The record of what a revision changed.
pub fn change(r: RoomId, rev: u64) -> Key {
    Key { pk: room(r), sk: change_sk(rev) }
}

/// The records of the revisions from `first` to `last`, both included.
pub fn changes(r: RoomId, first: u64, last: u64) -> Range {
    Range { pk: room(r), first: change_sk(first), last: change_sk(last) }
}

#[cfg(test)]
mod tests;
