//! Friendship under concurrency: one outcome, and both lists equal to the pair.

use shared::{
    Error, Result,
    domain::{
        page::PageRequest,
        relationships::{Answer, RelationshipAction, Request, lists::RequestDirection},
    },
    id::{RequestId, UserId},
};

use crate::cloud::Cloud;

/// Asks somebody to be friends.
pub async fn ask(cloud: &Cloud, from: UserId, to: UserId) -> Result<Request> {
    let now = cloud.app.now();
    let moved = cloud
        .app
        .store
        .update_relationship(from, to, RelationshipAction::Request(RequestId::at(now)), now)
        .await?;
    Ok(moved.after.request().unwrap().clone())
}

/// Answers a request.
pub async fn answer(cloud: &Cloud, me: UserId, request: &Request, answer: Answer) -> Result<()> {
    let action = RelationshipAction::Respond(request.request_id, answer);
    cloud.app.store.update_relationship(me, request.sender_id, action, cloud.app.now()).await.map(drop)
}

async fn lists(cloud: &Cloud, user: UserId) -> (usize, usize, usize) {
    let store = &cloud.app.store;
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
async fn crossing_requests_leave_one_request_and_tell_the_other_to_accept_it() {
    for _ in 0..20 {
        let cloud = Cloud::new();
        let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
        let (anas, bens) = tokio::join!(ask(&cloud, ana, ben), ask(&cloud, ben, ana));
        let (winner, loser) = if anas.is_ok() { (anas, bens) } else { (bens, anas) };
        let request = winner.unwrap();
        assert_eq!(code(loser), "request_waiting");
        assert_eq!(lists(&cloud, request.receiver_id).await, (1, 0, 0));
        assert_eq!(lists(&cloud, request.sender_id).await, (0, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_request_from_sixteen_taps_is_made_once() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let taps = futures::future::join_all((0..16).map(|_| ask(&cloud, ana, ben))).await;
    assert_eq!(taps.iter().filter(|tap| tap.is_ok()).count(), 1);
    for tap in taps.into_iter().filter(Result::is_err) {
        assert_eq!(code(tap), "request_already_sent");
    }
    assert_eq!(lists(&cloud, ben).await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn accepting_and_rejecting_at_once_has_one_outcome_on_both_sides() {
    let cloud = Cloud::new();
    let (ana, ben) = (cloud.person("ana").await, cloud.person("ben").await);
    let request = ask(&cloud, ana, ben).await.unwrap();
    let answers = (0..16).map(|n| if n % 2 == 0 { Answer::Accepted } else { Answer::Rejected });
    let answers: Vec<_> = futures::future::join_all(answers.map(|yes_or_no| {
        let (cloud, request) = (&cloud, &request);
        async move { (yes_or_no, answer(cloud, ben, request, yes_or_no).await) }
    }))
    .await;
    let taken: Vec<_> =
        answers.iter().filter(|(_, result)| result.is_ok()).map(|(answer, _)| *answer).collect();
    let [taken] = taken[..] else { panic!("{taken:?}") };
    let friends = usize::from(taken == Answer::Accepted);
    assert_eq!(lists(&cloud, ana).await, (0, 0, friends));
    assert_eq!(lists(&cloud, ben).await, (0, 0, friends));
    for (_, result) in answers.into_iter().filter(|(_, result)| result.is_err()) {
        assert_eq!(code(result), "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page_to_its_end() {
    let cloud = Cloud::new();
    let ben = cloud.person("ben").await;
    for n in 0..7 {
        let someone = cloud.person(&format!("someone{n}")).await;
        ask(&cloud, someone, ben).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    let mut sizes = Vec::new();
    loop {
        let page = PageRequest { limit: Some(3), cursor };
        let page = cloud.app.store.requests(ben, RequestDirection::Received, page).await.unwrap();
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
