//! Relationships: friend requests, friendships and blocks.

use std::collections::HashMap;

use futures::future::join_all;

use crate::{
    App, BestEffort, Error, Result,
    domain::{
        page::Page,
        relationships::{Answer, Pair, RelationshipAction, RelationshipChange, State, lists::Friend},
    },
    id::{RequestId, UserId},
    wire::{
        relationships::{FriendRequest, ListedFriend},
        socket::Event,
    },
};

/// The new friend of each of two users, as the list of friends shows it.
type NewFriends = HashMap<UserId, ListedFriend>;

impl App {
    /// Applies an action to the relationship of two users and notifies both. Of a block, only the blocking
    /// user's devices are notified: to the other user it looks like the end of the friendship or request.
    pub async fn update_relationship(
        &self,
        me: UserId,
        other: UserId,
        action: RelationshipAction,
    ) -> Result<Pair> {
        self.change_relationship(me, other, action).await.map(|(pair, _)| pair)
    }

    /// Accepts or rejects a friend request and notifies both users. Returns the new friend.
    pub async fn respond_to_request(
        &self,
        me: UserId,
        request_id: RequestId,
        answer: Answer,
    ) -> Result<Option<ListedFriend>> {
        let request = self.store.received_request(me, request_id).await?.ok_or(Error::NotFound)?;
        let action = RelationshipAction::Respond(request_id, answer);
        let (_, mut new_friends) = self.change_relationship(me, request.sender_id, action).await?;
        Ok(new_friends.remove(&me))
    }

    /// Sends a friend request and notifies both users.
    pub async fn send_friend_request(&self, me: UserId, receiver: UserId) -> Result<FriendRequest> {
        let now = self.now();
        let profiles = self.check_may_request(me, receiver, now).await?;
        let action = RelationshipAction::Request(RequestId::at(now));
        let pair = self.update_relationship(me, receiver, action).await?;
        let request = FriendRequest::pending(pair.request().ok_or(Error::NotFound)?, &profiles);
        let notifications = [
            (receiver, Event::FriendRequestReceived(request.clone())),
            (me, Event::FriendRequestSent(request.clone())),
        ];
        self.notify_of_relationship(&notifications).await;
        Ok(request)
    }

    async fn change_relationship(
        &self,
        me: UserId,
        other: UserId,
        action: RelationshipAction,
    ) -> Result<(Pair, NewFriends)> {
        let change = self.store.update_relationship(me, other, action, self.now()).await?;
        let new_friends = self.new_friends(&change).await.unwrap_or_else(|error| {
            Err::<(), _>(error).can_fail("reading new friends");
            NewFriends::new()
        });
        self.notify_of_relationship(&notifications(&change, me, &new_friends)).await;
        Ok((change.after, new_friends))
    }

    async fn new_friends(
        &self,
        RelationshipChange { before, after }: &RelationshipChange,
    ) -> Result<NewFriends> {
        let State::Friends { since } = after.state else { return Ok(NewFriends::new()) };
        if before.are_friends() {
            return Ok(NewFriends::new());
        }
        let profiles = self.store.profiles(&[after.low, after.high]).await?;
        let friends = profiles.into_iter().map(|(user_id, profile)| (Friend { user_id, since }, profile));
        let listed = self.with_presence(Page { items: friends.collect(), next: None }).await?;
        Ok(listed.items.into_iter().map(|friend| (after.other(friend.user_id()), friend)).collect())
    }

    async fn notify_of_relationship(&self, notifications: &[(UserId, Event)]) {
        let notified = notifications.iter().map(async |(user, event)| {
            self.push.notify(&[*user], event, self.now()).await.can_fail("notifying of a relationship");
        });
        join_all(notified).await;
    }
}

/// The notifications of a change by `actor`. That of a new request needs its users' names, and is sent with
/// the request.
fn notifications(
    RelationshipChange { before, after }: &RelationshipChange,
    actor: UserId,
    new_friends: &NewFriends,
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
        let answer = if after.are_friends() { Answer::Accepted } else { Answer::Rejected };
        let event = |user: UserId| {
            if actor == request.sender_id {
                return Event::FriendRequestCancelled { request_id };
            }
            let friend = new_friends.get(&user).cloned();
            Event::FriendRequestResponded { request_id, user_id: actor, action: answer.as_str(), friend }
        };
        notifications.extend([request.sender_id, request.receiver_id].map(|user| (user, event(user))));
    }
    let is_blocked = after.blocked_by(actor).is_some();
    if before.blocked_by(actor).is_some() != is_blocked {
        notifications.push((actor, Event::BlockChanged { user_id: before.other(actor), is_blocked }));
    }
    notifications
}
