//! Presence: one item per user, with one attribute per live connection.
//!
//! Every change of the item increments its `version`, so that a notification of friends is decided on the
//! current state.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        accounts::TOKEN_BEFORE_DELETION,
        rooms::Room,
        users::presence::{Connection, LastNotification, NOTIFICATION_INTERVAL, Presence},
    },
    error::{Error, Result},
    id::{ConnectionId, DeviceId, RoomId, UserId},
    store::{
        Store,
        accounts::DeletedMarker,
        db::{
            item::{Item, Update, read, read_or_recover, sk},
            keys,
            transaction::{Attempt, Transaction, retrying_with},
        },
    },
};

/// The maximum number of connections of a user. A new one closes the oldest.
const MAX_CONNECTIONS: usize = 20;

/// API Gateway closes a connection after two hours; five minutes more allow for clock skew.
const MAX_LIFETIME: Duration = Duration::minutes(2 * 60 + 5);

/// The attribute of a connection; times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct StoredConnection {
    since: i64,
    expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
}

/// The other attributes of the item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Attributes {
    version: u64,
    notified: LastNotification,
    last_seen: Option<Timestamp>,
    is_deleted: bool,
}

/// The connections of a user, and the last notification of the user's friends.
#[derive(Clone, Debug)]
pub struct Connections {
    /// The user.
    pub user_id: UserId,
    live: Vec<Connection>,
    /// Expired connections, with the end of each in seconds since 1970.
    expired: Vec<(ConnectionId, i64)>,
    attributes: Attributes,
}

impl Store {
    /// Registers a connection until its token expires or the gateway closes it; `token_expires` in seconds
    /// since 1970. A deleted account cannot register one.
    pub async fn register_connection(
        &self,
        connection: &Connection,
        token_expires: i64,
    ) -> Result<Connections> {
        let Connection { user_id, id, since, device_id } = connection;
        let expires = since.plus(MAX_LIFETIME).seconds().min(token_expires);
        let stored = StoredConnection { since: since.seconds(), expires, device_id: *device_id };
        let update = Update::of(keys::presence(*user_id), "SET #connection = :connection ADD version :one")
            .name("#connection", keys::connection_attribute(id))
            .only_if("attribute_not_exists(is_deleted)")
            .value(":connection", stored)?
            .value(":one", 1)?;
        let item = self.table.update(update).await?.ok_or(TOKEN_BEFORE_DELETION)?;
        Ok(Connections::of(*user_id, item, *since))
    }

    /// Removes the expired connections of a user, and those that were `closed` because there were too many.
    pub async fn tidy_connections(&self, connections: &Connections, closed: &[ConnectionId]) -> Result<()> {
        let Connections { user_id, live, expired, attributes } = connections;
        let ended = expired.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        let last_seen = ended.filter(|ended| attributes.last_seen.is_none_or(|last_seen| last_seen < *ended));
        let ids: Vec<ConnectionId> = expired.iter().map(|(id, _)| id).chain(closed).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        // Without another live connection, the user was offline, and friends may have seen that.
        let forget = if live.len() <= 1 && attributes.notified.is_online.is_some() {
            ", notified.is_online"
        } else {
            ""
        };
        self.table.update(removal(*user_id, &ids, forget, last_seen)?).await.map(drop)
    }

    /// The connections of a user whose connection sends `hello`, and stores the device that it names. `None` if
    /// the connection is not registered, because it was removed as closed. Only `$connect` registers one.
    pub async fn confirm_connection(&self, connection: &Connection) -> Result<Option<Connections>> {
        let Connection { user_id, id, since, device_id } = connection;
        let item = self.table.batch_get([keys::presence(*user_id)], true).await?.pop().unwrap_or_default();
        let mut connections = Connections::of(*user_id, item, *since);
        if connections.attributes.is_deleted {
            return Err(TOKEN_BEFORE_DELETION);
        }
        let Some(registered) = connections.live.iter_mut().find(|live| live.id == *id) else {
            return Ok(None);
        };
        if let Some(device) = device_id.filter(|_| registered.device_id != *device_id) {
            registered.device_id = *device_id;
            self.set_device(connection, device).await?;
        }
        Ok(Some(connections))
    }

    /// Stores the device of a registered connection.
    async fn set_device(&self, connection: &Connection, device: DeviceId) -> Result<()> {
        let update = Update::of(keys::presence(connection.user_id), "SET #connection.device_id = :device")
            .name("#connection", keys::connection_attribute(&connection.id))
            .only_if("attribute_exists(#connection)")
            .value(":device", device)?;
        self.table.update(update).await.map(drop)
    }

    /// Decides whether this call notifies a user's friends of the user's presence, as of `connections` or as
    /// changed since. Returns when: at `now`, or if `may_wait`, later. A call that waits passes the returned
    /// connections to [`Self::end_wait`] before it notifies.
    ///
    /// One call notifies of each change, or one after the wait of all changes within the interval. Without
    /// `may_wait`, a change within the interval is left to the `$disconnect` that follows.
    pub async fn claim_notification(
        &self,
        connections: Connections,
        now: Timestamp,
        may_wait: bool,
    ) -> Result<Option<(Timestamp, Connections)>> {
        retrying_with("the presence keeps changing", connections, |connections: Connections| async move {
            let Some(at) = connections.next_notification(now).filter(|at| may_wait || *at <= now) else {
                return Ok(Attempt::Done(None));
            };
            let notified = connections.attributes.notified.claimed(connections.is_online(), at, now);
            Ok(match self.set_notified(&connections, notified, now).await? {
                Ok(claimed) => Attempt::Done(Some((at, claimed))),
                Err(mut changed) => {
                    // Without another claim, friends may have seen the state that has changed.
                    if changed.attributes.notified == connections.attributes.notified {
                        changed.attributes.notified.is_online = None;
                    }
                    Attempt::Again(changed)
                }
            })
        })
        .await
    }

    /// Ends the wait of a call that has claimed a notification: the call notifies of all changes up to now, and
    /// a later one is decided anew.
    pub async fn end_wait(&self, connections: Connections, now: Timestamp) -> Result<()> {
        retrying_with("the presence keeps changing", connections, |connections: Connections| async move {
            let notified = connections.attributes.notified.claimed(connections.is_online(), now, now);
            let stored = self.set_notified(&connections, notified, now).await?;
            Ok(stored.map_or_else(Attempt::Again, |_| Attempt::Done(())))
        })
        .await
    }

    /// Stores the last notification, and returns the item. As the error, the item as it is if it has changed.
    async fn set_notified(
        &self,
        connections: &Connections,
        notified: LastNotification,
        now: Timestamp,
    ) -> Result<Result<Connections, Connections>> {
        let user = connections.user_id;
        if connections.attributes.is_deleted {
            return Ok(Ok(connections.clone()));
        }
        let update = Update::of(keys::presence(user), "SET notified = :notified ADD version :one")
            .only_if("version = :version")
            .value(":notified", notified)?
            .value(":version", connections.attributes.version)?
            .value(":one", 1)?;
        Ok(match self.table.update_or_item(update).await? {
            Ok(item) => Ok(Connections::of(user, item, now)),
            Err(item) => Err(Connections::of(user, item, now)),
        })
    }

    /// Removes all connections and the last-seen time of a deleted account.
    pub async fn clear_presence(&self, user: UserId) -> Result<()> {
        let mut tx = self.transaction();
        tx.put(keys::presence(user), DeletedMarker::DELETED).check_deleted(user);
        tx.commit_through_conflicts().await.map(drop)
    }

    /// Removes connections that have ended, and stores when the user was last seen. Returns the connections if
    /// none is live any more.
    pub async fn remove_ended_connections(
        &self,
        user: UserId,
        ids: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Option<Connections>> {
        self.remove_if_ended(removal(user, ids, "", Some(now))?, user, now).await
    }

    /// Removes a connection that no longer exists at the gateway, as [`Self::remove_ended_connections`] does.
    /// Does nothing just after a notification of friends, because no call could notify them of another change:
    /// then a later push removes it.
    pub async fn remove_lost_connection(
        &self,
        user: UserId,
        id: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Connections>> {
        let removal = removal(user, std::slice::from_ref(id), "", Some(now))?;
        let removal = removal
            .also_if("(attribute_not_exists(notified) OR notified.#at <= :before)")
            .name("#at", "at")
            .value(":before", now.plus(-NOTIFICATION_INTERVAL))?;
        self.remove_if_ended(removal, user, now).await
    }

    async fn remove_if_ended(
        &self,
        removal: Update,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Connections>> {
        let Some(item) = self.table.update(removal).await? else { return Ok(None) };
        Ok(Some(Connections::of(user, item, now)).filter(|connections| !connections.is_online()))
    }

    /// The live connections of some users.
    pub async fn connections(&self, users: &[UserId], now: Timestamp) -> Result<Vec<Connection>> {
        let keys = users.iter().copied().map(keys::presence);
        let items = self.table.batch_get(keys, true).await?;
        Ok(items.iter().flat_map(|item| live_connections(item, now)).collect())
    }

    /// The presence of those of some users who have ever connected.
    pub async fn presences(&self, users: &[UserId], now: Timestamp) -> Result<HashMap<UserId, Presence>> {
        let keys = users.iter().copied().map(keys::presence);
        let items = self.table.batch_get(keys, true).await?.into_iter();
        let owned = items.filter_map(|item| owner(&item).map(|user| (user, item)));
        Ok(owned.map(|(user, item)| (user, Connections::of(user, item, now).presence())).collect())
    }

    /// The live connections of some users, and a room: one call, without the consistency of a snapshot.
    pub async fn connections_and_room(
        &self,
        users: &[UserId],
        room: RoomId,
        now: Timestamp,
    ) -> Result<(Vec<Connection>, Room)> {
        let keys = users.iter().copied().map(keys::presence).chain([keys::meta(room)]);
        let items = self.table.batch_get(keys, true).await?;
        let (rooms, presences): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| sk(item) == keys::META);
        let room = rooms.into_iter().next().map(read).transpose()?.ok_or(Error::NotFound)?;
        Ok((presences.iter().flat_map(|item| live_connections(item, now)).collect(), room))
    }
}

impl<R> Transaction<'_, R> {
    /// Marks a user's presence as that of a deleted account: it takes no connections any more.
    pub(in crate::store) fn close_presence(&mut self, user: UserId) -> Result<&mut Self> {
        let close = Update::of(keys::presence(user), "SET is_deleted = :deleted").value(":deleted", true)?;
        Ok(self.update(close))
    }
}

/// The update that removes connections, and the further paths in `also`.
fn removal(user: UserId, ids: &[ConnectionId], also: &str, last_seen: Option<Timestamp>) -> Result<Update> {
    let placeholders: Vec<String> = (0..ids.len()).map(|n| format!("#c{n}")).collect();
    let removal = format!("REMOVE {}{also} ADD version :one", placeholders.join(", "));
    let update = match last_seen {
        None => Update::of(keys::presence(user), removal),
        Some(time) => Update::of(keys::presence(user), format!("{removal} SET last_seen = :seen"))
            .value(":seen", time)?,
    };
    let named = placeholders.iter().zip(ids);
    let update = named
        .fold(update, |update, (placeholder, id)| update.name(placeholder, keys::connection_attribute(id)));
    update.only_if("attribute_exists(pk) AND attribute_not_exists(is_deleted)").value(":one", 1)
}

impl Connections {
    /// The connections of an item. Attributes that cannot be read count as absent.
    fn of(user_id: UserId, item: Item, now: Timestamp) -> Self {
        let (live, expired) = connections(user_id, &item, now);
        let attributes = read_or_recover(item, Attributes::default).unwrap_or_else(|recovered| recovered);
        Self { user_id, live, expired, attributes }
    }

    /// Whether the user has a live connection.
    pub fn is_online(&self) -> bool {
        !self.live.is_empty()
    }

    /// When a call notifies friends of this presence, if one is due: see [`LastNotification::next`].
    pub fn next_notification(&self, now: Timestamp) -> Option<Timestamp> {
        self.attributes.notified.next(self.is_online(), now)
    }

    /// The oldest connections beyond the limit, to be closed in favour of a new one. `None` if one of them may
    /// not be open yet: it could not be closed, so the new one is refused.
    pub fn surplus(&self, new: &Connection) -> Option<Vec<ConnectionId>> {
        let mut others: Vec<&Connection> = self.live.iter().filter(|live| live.id != new.id).collect();
        others.sort_by_key(|connection| connection.since);
        others.truncate((others.len() + 1).saturating_sub(MAX_CONNECTIONS));
        let can_be_closed = others.iter().all(|connection| !connection.may_be_opening(new.since));
        can_be_closed.then(|| others.into_iter().map(|connection| connection.id.clone()).collect())
    }

    fn presence(&self) -> Presence {
        let ended = self.expired.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        Presence { is_online: self.is_online(), last_seen: self.attributes.last_seen.max(ended) }
    }
}

fn owner(item: &Item) -> Option<UserId> {
    item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| keys::user_of(pk))
}

fn live_connections(item: &Item, now: Timestamp) -> Vec<Connection> {
    owner(item).map(|user| connections(user, item, now).0).unwrap_or_default()
}

/// The live connections of an item, and the expired ones with their ends, each in the order of their ids.
fn connections(user_id: UserId, item: &Item, now: Timestamp) -> (Vec<Connection>, Vec<(ConnectionId, i64)>) {
    let (mut live, mut expired) = (Vec::new(), Vec::new());
    for (attribute, value) in item {
        let Some(id) = keys::connection_of(attribute) else {
            continue;
        };
        match stored_connection(value) {
            Some(StoredConnection { since, expires, device_id }) if expires > now.seconds() => {
                let since = Timestamp::from_seconds(since);
                live.push(Connection { user_id, id, since, device_id });
            }
            ended => expired.push((id, ended.map_or(0, |stored| stored.expires))),
        }
    }
    live.sort_by(|a, b| a.id.cmp(&b.id));
    expired.sort();
    (live, expired)
}

fn stored_connection(value: &AttributeValue) -> Option<StoredConnection> {
    serde_dynamo::from_attribute_value(value.clone()).ok()
}
