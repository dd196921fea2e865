//! Reports to the moderators: who may make one, what it keeps, and that it is one however often it is made.

use chrono::Duration;
use serde_json::{Map, Value, json};
use shared::{
    Error,
    domain::{
        messages::{SendRequest, action::MessageAction},
        relationships,
        reports::{Evidence, NewReport, Reason, Target},
    },
    id::{MessageId, RoomId, UserId},
};
use uuid::Uuid;

use crate::{cloud::Cloud, log::send, raw::size, rooms::room};

fn about(target: Target) -> NewReport {
    NewReport { target, reason: Reason::Harassment, text: Some("see for yourself".into()) }
}

/// The reports of the present day, as the table has them.
fn reports(cloud: &Cloud) -> Vec<Value> {
    cloud.partition(&format!("REPORT#{}", cloud.app.now().day()))
}

async fn say(cloud: &Cloud, room: RoomId, who: UserId, content: &str) -> MessageId {
    cloud.app.store.append(&send(room, who, content), cloud.app.now()).await.unwrap().message().id
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_as_it_was_with_the_ten_before_it() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    for n in 1..=12 {
        say(&cloud, room, ana, &format!("m{n}")).await;
    }
    let id = say(&cloud, room, ben, "insult").await;
    let store = &cloud.app.store;
    store.report(ana, about(Target::Message(room, id)), cloud.app.now()).await.unwrap();
    store.change_message(room, id, ben, &MessageAction::Delete, cloud.app.now()).await.unwrap();
    let kept = reports(&cloud).remove(0);
    assert_eq!(kept["evidence"]["M"]["message"]["M"]["content"]["S"], "insult");
    assert_eq!((&kept["reported_id"]["S"], &kept["reporter_id"]["S"]), (&json!(ben), &json!(ana)));
    let before = kept["evidence"]["M"]["before"]["L"].as_array().unwrap().iter();
    let before: Vec<&str> = before.map(|message| message["M"]["content"]["S"].as_str().unwrap()).collect();
    assert_eq!(before, (3..=12).map(|n| format!("m{n}")).collect::<Vec<_>>());
    let expires_at: i64 = kept["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    assert!(expires_at > cloud.app.now().plus(Duration::days(364)).seconds());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_see_a_message_or_a_person_cannot_report_them() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let room = room(&cloud, ana, &[ben]).await;
    let id = say(&cloud, room, ben, "hello").await;
    let nobody = UserId::from(Uuid::new_v4());
    let of_no_position = MessageId::from(Uuid::nil());
    let of_every_position = MessageId::from(Uuid::max());
    for (who, target) in [
        (eve, Target::Message(room, id)),
        (ana, Target::Message(room, MessageId::new(cloud.app.now(), 1))),
        (ana, Target::Message(room, of_no_position)),
        (ana, Target::Message(room, of_every_position)),
        (ana, Target::Message(RoomId::random(), id)),
        (ana, Target::User(nobody)),
    ] {
        let outcome = cloud.app.store.report(who, about(target), cloud.app.now()).await;
        assert!(matches!(outcome, Err(Error::NotFound)), "{target:?}");
    }
    for target in [Target::User(ben), Target::Message(room, id)] {
        let outcome = cloud.app.store.report(ben, about(target), cloud.app.now()).await;
        assert!(matches!(outcome, Err(Error::Refused(_))), "{target:?}");
    }
    assert!(reports(&cloud).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_blocks_first_can_be_reported_all_the_same() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let room = room(&cloud, ana, &[ben]).await;
    let id = say(&cloud, room, ben, "insult").await;
    for victim in [ana, eve] {
        cloud.app.update_relationship(ben, victim, relationships::RelationshipAction::Block).await.unwrap();
    }
    let report = async |who, target| cloud.app.store.report(who, about(target), cloud.app.now()).await;
    let kept = report(ana, Target::User(ben)).await.unwrap();
    let Evidence::User { user_id, profile: Some(profile) } = kept.evidence else { panic!("no profile") };
    assert_eq!((user_id, profile.username.as_str()), (ben, "ben"));
    report(ana, Target::Message(room, id)).await.unwrap();
    // With whom there was nothing: as if there were no such person.
    assert!(matches!(report(eve, Target::User(ben)).await, Err(Error::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn who_blocks_or_is_blocked_is_reported_by_whoever_had_to_do_with_them() {
    let cloud = Cloud::new();
    let (ana, ben, eve) = (cloud.person("ana").await, cloud.person("ben").await, cloud.person("eve").await);
    let nobody = UserId::from(Uuid::new_v4());
    let block = async |who, whom| {
        cloud.app.update_relationship(who, whom, relationships::RelationshipAction::Block).await.unwrap();
    };
    let report = async |who, whom| {
        let report = cloud.app.store.report(who, about(Target::User(whom)), cloud.app.now()).await;
        report.map(|report| matches!(report.evidence, Evidence::User { profile: Some(_), .. }))
    };
    // Whom one saw when one blocked them, and then they blocked too.
    block(ana, ben).await;
    assert!(report(ana, ben).await.unwrap());
    block(ben, ana).await;
    assert!(report(ana, ben).await.unwrap());
    // Who had blocked first, and who is nobody: nothing to the reporter.
    for other in [ana, nobody] {
        block(ben, other).await;
        assert!(matches!(report(ben, other).await, Err(Error::NotFound)));
    }
    // In a group the two see each other.
    let group = room(&cloud, eve, &[ana, ben]).await;
    assert!(report(ben, ana).await.unwrap());
    assert!(matches!(report(ben, nobody).await, Err(Error::NotFound)));
    cloud.app.remove_participant(group, ana, ana).await.unwrap();
    assert!(matches!(report(ben, ana).await, Err(Error::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn sixteen_of_the_same_report_at_once_are_one() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let stores: Vec<_> = (0..4).map(|_| cloud.another_store()).collect();
    let start = cloud.app.now();
    let calls = (0..16).map(|n| {
        let now = start.plus(Duration::milliseconds(n));
        stores[usize::try_from(n).unwrap() % 4].report(ana, about(Target::User(ben)), now)
    });
    let made = futures::future::try_join_all(calls).await.unwrap();
    let later = start.plus(Duration::hours(1));
    let again = cloud.app.store.report(ana, about(Target::User(ben)), later).await.unwrap();
    assert!(made.iter().all(|one| (one.id, one.created_at) == (again.id, again.created_at)));
    assert_eq!(reports(&cloud).len(), 1);
    let other = NewReport { reason: Reason::Spam, ..about(Target::User(ben)) };
    cloud.app.store.report(ana, other, later).await.unwrap();
    assert_eq!(reports(&cloud).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_largest_report_fits_an_item() {
    const LARGEST_ITEM: usize = 400 * 1024;
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let room = room(&cloud, ana, &[ben]).await;
    let largest = send(room, ben, &"🏃".repeat(4000));
    let payload: Map<String, Value> = [("note".to_owned(), "y".repeat(4080).into())].into_iter().collect();
    let mut draft = largest.draft.clone();
    (draft.payload, draft.media_url) = (Some(payload), Some("u".repeat(2048)));
    let largest = SendRequest { draft, ..largest };
    let mut last = None;
    for _ in 0..11 {
        last = Some(cloud.app.store.append(&largest, cloud.app.now()).await.unwrap().message().id);
    }
    let complaint =
        NewReport { text: Some("é".repeat(1000)), ..about(Target::Message(room, last.unwrap())) };
    cloud.app.store.report(ana, complaint, cloud.app.now()).await.unwrap();
    let kept = reports(&cloud).remove(0);
    // Each message may also have as many different reactions as there can be.
    assert!(size(&kept) < LARGEST_ITEM * 3 / 4, "{}", size(&kept));
}
