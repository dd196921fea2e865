//! Relationships: friend requests, friendships and blocks.

use futures::future::join_all;

use crate::{
    App, BestEffort, Error, Result,
    domain::relationships::{Answer, Pair, RelationshipAction, RelationshipChange},
    id::{RequestId, UserId},
    wire::{relationships::FriendRequest, socket::Event},
};

impl App {
    /// Applies an action to the relationship of two users and notifies both. Of a block, only the blocking
    /// user's devices are notified: to the other user it looks like the end of the friendship or request.
    pub async fn update_relationship(
        &self,
        me: UserId,
        other: UserId,
        action: RelationshipAction,
    ) -> Result<Pair> {
        let now = self.now();
        let change = self.store.update_relationship(me, other, action, now).await?;
        let notifications = notifications(&change, me);
        let notified = notifications.iter().map(async |(user, event)| {
            self.push.notify(&[*user], event, now).await.can_fail("notifying of a relationship");
        });
        join_all(notified).await;
        Ok(change.after)
    }

    /// Sends a friend request and notifies the receiver.
    pub async fn send_friend_request(&self, me: UserId, receiver: UserId) -> Result<FriendRequest> {
        let now = self.now();
        let profiles = self.check_may_request(me, receiver, now).await?;
        let action = RelationshipAction::Request(RequestId::at(now));
        let pair = self.update_relationship(me, receiver, action).await?;
        let request = FriendRequest::pending(pair.request().ok_or(Error::NotFound)?, &profiles);
        let event = Event::FriendRequestReceived(request.clone());
        self.push.notify(&[receiver], &event, now).await.can_fail("friend request push");
        Ok(request)
    }
}

/// The notifications of a change by `actor`. That of a new request needs its users' names, and is sent with
/// the request.
fn notifications(
    RelationshipChange { before, after }: &RelationshipChange,
    actor: UserId,
) -> Vec<(UserId, Event)> {
    let mut notifications = Vec::new();
    if before.are_friends() && !after.are_friends() {
        notifications.push((before.low, Event::FriendRemoved { user_id: before.high }));
        notifications.push((before.high, Event::FriendRemoved { user_id: before.low }));
    }
    if let Some(request) = before.request()
        && after.request().is_none()
    {
        let request_id = request.request_id;
        if actor == request.receiver_id {
            let answer = if after.are_friends() { Answer::Accepted } else { Answer::Rejected };
            let action = answer.as_str();
            let responded = Event::FriendRequestResponded { request_id, user_id: actor, action };
            notifications.push((request.sender_id, responded));
        } else {
            let cancelled = Event::FriendRequestCancelled { request_id };
            let both = [request.sender_id, request.receiver_id];
            notifications.extend(both.map(|user| (user, cancelled.clone())));
        }
    }
    let is_blocked = after.blocked_by(actor).is_some();
    if before.blocked_by(actor).is_some() != is_blocked {
        notifications.push((actor, Event::BlockChanged { user_id: before.other(actor), is_blocked }));
    }
    notifications
}
