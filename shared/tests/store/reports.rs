//! Reports to the moderators: who may report, what evidence is kept, and idempotency.

use chrono::Duration;
use serde_json::{Value, json};
use shared::{
    Error,
    domain::{
        messages::{Payload, SendRequest, action::MessageAction},
        relationships,
        reports::{Evidence, NewReport, Reason, ReportTarget},
    },
    id::{MessageId, RoomId, UserId},
    store::db::keys,
};
use uuid::Uuid;

use crate::{backend::TestBackend, dynamodb::size, log::send, raw::set, rooms::room};

fn about(target: ReportTarget) -> NewReport {
    NewReport { target, reason: Reason::Harassment, text: Some("please look at this".into()) }
}

/// The items of today's reports.
fn reports(backend: &TestBackend) -> Vec<Value> {
    backend.partition(&format!("REPORT#{}", backend.app.now().day()))
}

async fn send_message(backend: &TestBackend, room: RoomId, sender: UserId, content: &str) -> MessageId {
    backend.app.store.append(&send(room, sender, content), backend.app.now()).await.unwrap().message().id
}

#[tokio::test(start_paused = true)]
async fn a_report_keeps_the_message_as_it_was_and_the_ten_before_it() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    for n in 1..=12 {
        send_message(&backend, room, ana, &format!("m{n}")).await;
    }
    let id = send_message(&backend, room, ben, "insult").await;
    let store = &backend.app.store;
    backend.app.report(ana, about(ReportTarget::Message(room, id))).await.unwrap();
    store.change_message(room, id, ben, &MessageAction::Delete, backend.app.now()).await.unwrap();
    let report = reports(&backend).remove(0);
    assert_eq!(report["evidence"]["M"]["message"]["M"]["content"]["S"], "insult");
    assert_eq!((&report["reported_id"]["S"], &report["reporter_id"]["S"]), (&json!(ben), &json!(ana)));
    let before = report["evidence"]["M"]["before"]["L"].as_array().unwrap().iter();
    let before: Vec<&str> = before.map(|message| message["M"]["content"]["S"].as_str().unwrap()).collect();
    assert_eq!(before, (3..=12).map(|n| format!("m{n}")).collect::<Vec<_>>());
    let expires_at: i64 = report["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    assert!(expires_at > backend.app.now().plus(Duration::days(364)).seconds());
}

#[tokio::test(start_paused = true)]
async fn a_message_or_user_that_the_reporter_cannot_see_cannot_be_reported() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let room = room(&backend, ana, &[ben]).await;
    let id = send_message(&backend, room, ben, "hello").await;
    let unknown = UserId::from(Uuid::new_v4());
    let position_zero = MessageId::from(Uuid::nil());
    let position_max = MessageId::from(Uuid::max());
    for (reporter, target) in [
        (eve, ReportTarget::Message(room, id)),
        (ana, ReportTarget::Message(room, MessageId::new(backend.app.now(), 1))),
        (ana, ReportTarget::Message(room, position_zero)),
        (ana, ReportTarget::Message(room, position_max)),
        (ana, ReportTarget::Message(RoomId::random(), id)),
        (ana, ReportTarget::User(unknown)),
    ] {
        let outcome = backend.app.report(reporter, about(target)).await;
        assert!(matches!(outcome, Err(Error::NotFound)), "{target:?}");
    }
    for target in [ReportTarget::User(ben), ReportTarget::Message(room, id)] {
        let outcome = backend.app.report(ben, about(target)).await;
        assert!(matches!(outcome, Err(Error::Refused(_))), "{target:?}");
    }
    assert!(reports(&backend).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_user_who_blocks_the_reporter_can_be_reported() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let room = room(&backend, ana, &[ben]).await;
    let id = send_message(&backend, room, ben, "insult").await;
    for victim in [ana, eve] {
        backend.app.update_relationship(ben, victim, relationships::RelationshipAction::Block).await.unwrap();
    }
    let report = async |reporter, target| backend.app.report(reporter, about(target)).await;
    let saved = report(ana, ReportTarget::User(ben)).await.unwrap();
    let Evidence::User { user_id, profile: Some(profile) } = saved.evidence else { panic!("no profile") };
    assert_eq!((user_id, profile.username.as_str()), (ben, "ben"));
    report(ana, ReportTarget::Message(room, id)).await.unwrap();
    // Eve has no relationship with Ben: the same response as for an unknown user.
    assert!(matches!(report(eve, ReportTarget::User(ben)).await, Err(Error::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_or_blocking_user_can_be_reported_by_users_who_saw_them() {
    let backend = TestBackend::new();
    let (ana, ben, eve) = (backend.user("ana").await, backend.user("ben").await, backend.user("eve").await);
    let unknown = UserId::from(Uuid::new_v4());
    let block = async |user, other| {
        backend.app.update_relationship(user, other, relationships::RelationshipAction::Block).await.unwrap();
    };
    let report = async |reporter, user| {
        let report = backend.app.report(reporter, about(ReportTarget::User(user))).await;
        report.map(|report| matches!(report.evidence, Evidence::User { profile: Some(_), .. }))
    };
    // The reporter saw the user when blocking them; the user blocks the reporter later.
    block(ana, ben).await;
    assert!(report(ana, ben).await.unwrap());
    block(ben, ana).await;
    assert!(report(ana, ben).await.unwrap());
    // A user who blocked first and an unknown user are invisible to the reporter.
    for other in [ana, unknown] {
        block(ben, other).await;
        assert!(matches!(report(ben, other).await, Err(Error::NotFound)));
    }
    // In a common group they see each other.
    let group = room(&backend, eve, &[ana, ben]).await;
    assert!(report(ben, ana).await.unwrap());
    assert!(matches!(report(ben, unknown).await, Err(Error::NotFound)));
    backend.app.remove_participant(group, ana, ana).await.unwrap();
    assert!(matches!(report(ben, ana).await, Err(Error::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn sixteen_identical_reports_create_one() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let stores: Vec<_> = (0..4).map(|_| backend.another_store()).collect();
    let start = backend.app.now();
    let calls = (0..16).map(|n| {
        let now = start.plus(Duration::milliseconds(n));
        let mut app = backend.app.at(Some(now));
        app.store = stores[usize::try_from(n).unwrap() % 4].clone();
        async move { app.report(ana, about(ReportTarget::User(ben))).await }
    });
    let created = futures::future::try_join_all(calls).await.unwrap();
    let later = start.plus(Duration::hours(1));
    let again = backend.app.at(Some(later)).report(ana, about(ReportTarget::User(ben))).await.unwrap();
    assert!(created.iter().all(|report| (report.id, report.created_at) == (again.id, again.created_at)));
    assert_eq!(reports(&backend).len(), 1);
    let other = NewReport { reason: Reason::Spam, ..about(ReportTarget::User(ben)) };
    backend.app.at(Some(later)).report(ana, other).await.unwrap();
    assert_eq!(reports(&backend).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_largest_report_fits_an_item() {
    const LARGEST_ITEM: usize = 400 * 1024;
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    let largest = send(room, ben, &"🏃".repeat(4000));
    let payload = Payload::parse(&json!({"note": "y".repeat(4080)}).to_string()).unwrap();
    let mut draft = largest.draft.clone();
    (draft.payload, draft.media_url) = (Some(payload), Some("u".repeat(2048)));
    let largest = SendRequest { draft, ..largest };
    let mut last = None;
    for _ in 0..11 {
        last = Some(backend.app.store.append(&largest, backend.app.now()).await.unwrap().message().id);
    }
    let complaint =
        NewReport { text: Some("é".repeat(1000)), ..about(ReportTarget::Message(room, last.unwrap())) };
    backend.app.report(ana, complaint).await.unwrap();
    let report = reports(&backend).remove(0);
    // The remaining quarter is for reactions, up to the maximum for each message.
    assert!(size(&report) < LARGEST_ITEM * 3 / 4, "{}", size(&report));
}

#[tokio::test(start_paused = true)]
async fn a_report_can_be_repeated_if_its_entry_cannot_be_read() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let room = room(&backend, ana, &[ben]).await;
    let id = send_message(&backend, room, ben, "insult").await;
    let report = || backend.app.report(ana, about(ReportTarget::Message(room, id)));
    let first = report().await.unwrap();
    set(&backend, keys::reported(ana, first.id), "created_at", 1).await;
    assert_eq!(report().await.unwrap().id, first.id);
}
