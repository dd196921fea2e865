//! What a reader sees of another user, in every place that shows one, for every relation of the two.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::harness::{Actor, TestStack, make_friends};

/// The relation of the other user to the reader. Both have a common friend, a group and a direct room.
#[derive(Clone, Copy, Debug)]
enum Relation {
    Stranger,
    Friend,
    /// The other user has sent the reader a friend request.
    Requesting,
    /// The other user cannot be found (`findable_by`).
    Hidden,
    HiddenFriend,
    /// The other user blocks the reader.
    Blocking,
    /// The reader blocks the other user.
    Blocked,
    /// The reader blocks the other user, who has blocked back.
    BlockingBack,
    /// The other user has left the group.
    Former,
    FormerBlocking,
    FormerBlocked,
    Deleted,
    /// The other user had left the group before the account was deleted.
    FormerDeleted,
}

/// The places, in the order of [`Scene::seen`].
const PLACES: [&str; 12] = [
    "profile",
    "search",
    "suggestions",
    "friends",
    "requests",
    "mutual friends",
    "participants",
    "sender",
    "reply",
    "reactions",
    "blocks",
    "direct room",
];

/// What each place shows: the names as of `then`, the names `now`, that the account is `gone`, or nothing
/// (`-`). Mutual friends: whether the common friend is listed (`yes`).
const TABLE: [(Relation, [&str; 12]); 13] = {
    use Relation::*;
    [
        (Stranger, ["now", "now", "now", "-", "-", "yes", "now", "then", "then", "now", "-", "now"]),
        (Friend, ["now", "now", "-", "now", "-", "yes", "now", "then", "then", "now", "-", "now"]),
        (Requesting, ["now", "now", "-", "-", "now", "yes", "now", "then", "then", "now", "-", "now"]),
        (Hidden, ["now", "-", "-", "-", "-", "-", "now", "then", "then", "now", "-", "now"]),
        (HiddenFriend, ["now", "now", "-", "now", "-", "yes", "now", "then", "then", "now", "-", "now"]),
        (Blocking, ["-", "-", "-", "-", "-", "-", "now", "then", "then", "now", "-", "-"]),
        (Blocked, ["-", "-", "-", "-", "-", "-", "now", "then", "then", "now", "now", "-"]),
        (BlockingBack, ["-", "-", "-", "-", "-", "-", "now", "then", "then", "now", "then", "-"]),
        (Former, ["now", "now", "now", "-", "-", "yes", "-", "then", "then", "now", "-", "now"]),
        (FormerBlocking, ["-", "-", "-", "-", "-", "-", "-", "then", "then", "-", "-", "-"]),
        (FormerBlocked, ["-", "-", "-", "-", "-", "-", "-", "then", "then", "-", "now", "-"]),
        (Deleted, ["-", "-", "-", "-", "-", "-", "-", "gone", "gone", "-", "-", "gone"]),
        (FormerDeleted, ["-", "-", "-", "-", "-", "-", "-", "gone", "gone", "-", "-", "gone"]),
    ]
};

/// Two users in a relation. The other user has new names since.
struct Scene {
    reader: Actor,
    other: Actor,
    common: Actor,
    group: String,
    direct: String,
    then: String,
    now: String,
}

impl Scene {
    async fn new(stack: &TestStack, n: usize, relation: Relation) -> Self {
        let [then, now] = ["then", "now"].map(|name| format!("{name}{n:02}"));
        let [reader, common, other] =
            stack.actors([&*format!("reader{n:02}"), &*format!("common{n:02}"), &*then]).await;
        other.patch("/users/me", json!({"display_name": display_name(&then)})).await.ok();
        make_friends(&common, &reader).await;
        make_friends(&common, &other).await;
        let (group, direct) = (reader.group_with(&[&other, &common]).await, reader.room_with(&other).await);
        let message = other.send_message(&group, "hello").await;
        let reply = reader.reply(&message, "hi").await;
        other.react(&reply, "👍").await.ok();
        let scene = Self { reader, other, common, group, direct, then, now };
        scene.enter(stack, relation).await;
        scene
    }

    async fn enter(&self, stack: &TestStack, relation: Relation) {
        use Relation::*;
        let Self { reader, other, group, .. } = self;
        if matches!(relation, Former | FormerBlocking | FormerBlocked | FormerDeleted) {
            other.remove(group, other).await.nothing();
        }
        if matches!(relation, Friend | HiddenFriend) {
            make_friends(reader, other).await;
        }
        if matches!(relation, Hidden | HiddenFriend) {
            stack.set_audience(other, "findable_by", "nobody").await;
        }
        if matches!(relation, Blocked | BlockingBack | FormerBlocked) {
            reader.block(other).await.nothing();
        }
        if matches!(relation, Blocking | BlockingBack | FormerBlocking) {
            other.block(reader).await.nothing();
        }
        match relation {
            Requesting => drop(other.send_request(reader).await.ok()),
            Deleted | FormerDeleted => return other.delete("/users/me").await.nothing(),
            _ => {}
        }
        let names = json!({"username": self.now, "display_name": display_name(&self.now)});
        other.patch("/users/me", names).await.ok();
    }

    /// What the reader sees in each place.
    async fn seen(&self) -> Vec<&'static str> {
        let (reader, id) = (&self.reader, &self.other.id);
        let lists = [
            format!("/users/{id}"),
            format!("/friends/search?query={}", self.now),
            "/friends/suggestions".to_owned(),
            "/friends".to_owned(),
            "/friends/requests".to_owned(),
        ];
        let mut seen = Vec::new();
        for path in lists {
            seen.push(self.shown(&reader.get(&path).await.text));
        }
        let mutual = reader.get(&format!("/friends/{id}/mutual")).await.text;
        seen.push(if mutual.contains(&self.common.name) { "yes" } else { "-" });
        seen.push(self.shown(&reader.room(&self.group).await.ok()["participants"].to_string()));
        let history = reader.history(&self.group).await;
        let [message, reply] = [&history[0], &history[1]];
        let sender = ["sender_username", "sender_display_name"].map(|field| &message[field]);
        seen.push(self.shown(&json!(sender).to_string()));
        seen.push(self.shown(&reply["reply_to"].to_string()));
        seen.push(self.shown(&reader.reactions(reply).await.ok().to_string()));
        seen.push(self.shown(&reader.get("/friends/blocks").await.text));
        let direct = serde_json::from_str::<Value>(&reader.room(&self.direct).await.text).unwrap();
        seen.push(self.shown(&direct["participants"].to_string()));
        seen
    }

    /// Which names a text contains. Each username comes with its display name.
    fn shown(&self, text: &str) -> &'static str {
        let [then, now] = [&self.then, &self.now].map(|name| {
            let names = [name, &display_name(name)].map(|name| text.contains(name.as_str()));
            assert_eq!(names[0], names[1], "the username and the display name of {name}: {text}");
            names[0]
        });
        match (then, now, text.contains("Deleted user")) {
            (false, false, false) => "-",
            (true, false, false) => "then",
            (false, true, false) => "now",
            (false, false, true) => "gone",
            other => panic!("{other:?}: {text}"),
        }
    }
}

/// The display name of a username. It does not contain it.
fn display_name(username: &str) -> String {
    format!("Display {}", username.chars().rev().collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_shows_of_a_user_what_the_relation_allows() {
    let stack = TestStack::new().await;
    let stack = &stack;
    let scenes = TABLE.iter().enumerate().map(|(n, (relation, expected))| async move {
        let seen = Scene::new(stack, n, *relation).await.seen().await;
        let differs = PLACES.iter().zip(&seen).zip(expected).filter(|((_, seen), expected)| seen != expected);
        let report =
            |((place, seen), expected)| format!("{relation:?}: {place} shows {seen}, not {expected}");
        differs.map(report).collect::<Vec<_>>()
    });
    let wrong: Vec<Vec<String>> = futures::stream::iter(scenes).buffer_unordered(4).collect().await;
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
