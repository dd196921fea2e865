//! What people do to what is between them, and who is told.

use futures::future::join_all;

use crate::{
    App, BestEffort, Result,
    domain::relationships::{Answer, Pair, RelationshipAction, RelationshipChange},
    id::UserId,
    wire::socket::Event,
};

impl App {
    /// Lets somebody do something to what is between them and another, and tells whose lists it changes. That somebody is
    /// blocked, only the devices of the one who blocks hear: to the other it looks like the end of what was between them.
    pub async fn update_relationship(
        &self,
        me: UserId,
        other: UserId,
        action: RelationshipAction,
    ) -> Result<Pair> {
        let now = self.now();
        let moved = self.store.update_relationship(me, other, action, now).await?;
        let news = news(&moved, me);
        let told = news.iter().map(async |(who, event)| {
            self.push.notify(&[*who], event, now).await.can_fail("telling of a friendship");
        });
        join_all(told).await;
        Ok(moved.after)
    }
}

/// Who hears what of a step that `actor` has made. Of a new request its receiver hears from the one who knows its names.
fn news(RelationshipChange { before, after }: &RelationshipChange, actor: UserId) -> Vec<(UserId, Event)> {
    let mut news = Vec::new();
    if before.are_friends() && !after.are_friends() {
        news.push((before.low, Event::FriendRemoved { user_id: before.high }));
        news.push((before.high, Event::FriendRemoved { user_id: before.low }));
    }
    if let Some(request) = before.request()
        && after.request().is_none()
    {
        let request_id = request.request_id;
        if actor == request.receiver_id {
            let answer = if after.are_friends() { Answer::Accepted } else { Answer::Rejected };
            let action = answer.as_str();
            news.push((
                request.sender_id,
                Event::FriendRequestResponded { request_id, user_id: actor, action },
            ));
        } else {
            let cancelled = Event::FriendRequestCancelled { request_id };
            news.extend([request.sender_id, request.receiver_id].map(|who| (who, cancelled.clone())));
        }
    }
    let is_blocked = after.blocked_by(actor).is_some();
    if before.blocked_by(actor).is_some() != is_blocked {
        news.push((actor, Event::BlockChanged { user_id: before.other(actor), is_blocked }));
    }
    news
}
