//! Concurrent friend requests: one outcome, and the lists of both users match it.

use shared::{
    Error, Result,
    domain::{
        page::PageRequest,
        relationships::{Answer, RelationshipAction, Request, lists::RequestDirection},
    },
    id::{RequestId, UserId},
};

use crate::backend::TestBackend;

/// Sends a friend request.
pub async fn ask(backend: &TestBackend, from: UserId, to: UserId) -> Result<Request> {
    let now = backend.app.now();
    let change = backend
        .app
        .store
        .update_relationship(from, to, RelationshipAction::Request(RequestId::at(now)), now)
        .await?;
    Ok(change.after.request().unwrap().clone())
}

/// Responds to a request.
pub async fn answer(backend: &TestBackend, me: UserId, request: &Request, answer: Answer) -> Result<()> {
    let action = RelationshipAction::Respond(request.request_id, answer);
    backend.app.store.update_relationship(me, request.sender_id, action, backend.app.now()).await.map(drop)
}

async fn lists(backend: &TestBackend, user: UserId) -> (usize, usize, usize) {
    let store = &backend.app.store;
    let received = store.requests(user, RequestDirection::Received, PageRequest::default()).await.unwrap();
    let sent = store.requests(user, RequestDirection::Sent, PageRequest::default()).await.unwrap();
    let friends = store.friends(user, PageRequest::default()).await.unwrap();
    (received.items.len(), sent.items.len(), friends.items.len())
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result.unwrap_err() {
        Error::Refused(refusal) => refusal.code,
        Error::NotFound => "not_found",
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn crossing_requests_leave_one_request_and_refuse_the_other() {
    for _ in 0..20 {
        let backend = TestBackend::new();
        let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
        let (anas, bens) = tokio::join!(ask(&backend, ana, ben), ask(&backend, ben, ana));
        let (winner, loser) = if anas.is_ok() { (anas, bens) } else { (bens, anas) };
        let request = winner.unwrap();
        assert_eq!(code(loser), "request_waiting");
        assert_eq!(lists(&backend, request.receiver_id).await, (1, 0, 0));
        assert_eq!(lists(&backend, request.sender_id).await, (0, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_identical_requests_create_one() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let results = futures::future::join_all((0..16).map(|_| ask(&backend, ana, ben))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(code(result), "request_already_sent");
    }
    assert_eq!(lists(&backend, ben).await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn concurrent_accepts_and_rejections_have_one_outcome_for_both_users() {
    let backend = TestBackend::new();
    let (ana, ben) = (backend.user("ana").await, backend.user("ben").await);
    let request = ask(&backend, ana, ben).await.unwrap();
    let answers = (0..16).map(|n| if n % 2 == 0 { Answer::Accepted } else { Answer::Rejected });
    let answers: Vec<_> = futures::future::join_all(answers.map(|response| {
        let (backend, request) = (&backend, &request);
        async move { (response, answer(backend, ben, request, response).await) }
    }))
    .await;
    let outcome: Vec<_> =
        answers.iter().filter(|(_, result)| result.is_ok()).map(|(answer, _)| *answer).collect();
    let [outcome] = outcome[..] else { panic!("{outcome:?}") };
    let friends = usize::from(outcome == Answer::Accepted);
    assert_eq!(lists(&backend, ana).await, (0, 0, friends));
    assert_eq!(lists(&backend, ben).await, (0, 0, friends));
    for (_, result) in answers.into_iter().filter(|(_, result)| result.is_err()) {
        assert_eq!(code(result), "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_paginates_to_the_end() {
    let backend = TestBackend::new();
    let ben = backend.user("ben").await;
    for n in 0..7 {
        let sender = backend.user(&format!("sender{n}")).await;
        ask(&backend, sender, ben).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    let mut sizes = Vec::new();
    loop {
        let page = PageRequest { limit: Some(3), cursor };
        let page = backend.app.store.requests(ben, RequestDirection::Received, page).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert!(seen.is_sorted_by(|a, b| a.created_at > b.created_at), "newest first, none twice");
}
