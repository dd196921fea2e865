//! Presence: one item per user, with one attribute per live connection.
//!
//! Every change of the item increments its `version`, so that exactly one call notifies the user's friends of
//! a change.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    domain::{
        accounts::TOKEN_BEFORE_DELETION,
        rooms::Room,
        users::presence::{Connection, Presence},
    },
    error::{Error, Result},
    id::{ConnectionId, DeviceId, RoomId, UserId},
    store::{
        Store,
        accounts::DeletedMarker,
        db::{
            item::{Item, Update, read, sk},
            keys,
            transaction::Transaction,
        },
    },
};

/// The maximum number of connections of a user. A new one closes the oldest.
const MAX_CONNECTIONS: usize = 20;

/// API Gateway closes a connection after two hours; five minutes more allow for clock skew.
const MAX_LIFETIME: Duration = Duration::minutes(2 * 60 + 5);

/// A call that removes a user's last connection notifies the friends within this time, or has failed.
const NOTIFICATION_TIMEOUT: Duration = Duration::seconds(60);

/// The attribute of a connection; times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct StoredConnection {
    since: i64,
    expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
}

/// The `hello` that brought the user online. It stays until the last connection is removed.
#[derive(Serialize, Deserialize)]
struct Announcement {
    by: ConnectionId,
    call: Uuid,
}

/// The other attributes of the item.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    version: u64,
    announced: Option<Announcement>,
    last_seen: Option<Timestamp>,
}

/// The connections of a user.
struct Connections {
    live: Vec<Connection>,
    /// Expired connections, with the end of each in seconds since 1970.
    expired: Vec<(ConnectionId, i64)>,
    attributes: Attributes,
}

impl Store {
    /// Registers a connection until its token expires or the gateway closes it; `token_expires` in seconds
    /// since 1970. Returns the connections to close, because the user has too many. A deleted account cannot
    /// register one.
    pub async fn register_connection(
        &self,
        connection: &Connection,
        token_expires: i64,
    ) -> Result<Vec<ConnectionId>> {
        let update = registration(connection, token_expires, "")?;
        let item = self.table.update(update).await?.ok_or(TOKEN_BEFORE_DELETION)?;
        let connections = Connections::of(connection.user_id, item, connection.since)?;
        self.evict(connection.user_id, connections).await
    }

    /// Registers a connection that sends `hello`. Returns the connections to close, and whether the user has
    /// come online by it: whether it is the first of the user's live connections that sends one.
    pub async fn mark_online(
        &self,
        connection: &Connection,
        token_expires: i64,
    ) -> Result<(Vec<ConnectionId>, bool)> {
        let (user, now) = (connection.user_id, connection.since);
        let mine = Announcement { by: connection.id.clone(), call: Uuid::new_v4() };
        let update =
            registration(connection, token_expires, ", announced = if_not_exists(announced, :mine)")?;
        let item = self.table.update(update.value(":mine", &mine)?).await?.ok_or(TOKEN_BEFORE_DELETION)?;
        let connections = Connections::of(user, item, now)?;
        if let Some(device) = connection.device_id.filter(|_| !connections.has_device_of(connection)) {
            self.set_device(connection, device).await?;
        }
        let came_online = match &connections.attributes.announced {
            Some(announced) if announced.call == mine.call => true,
            Some(stale) if connections.is_abandoned(stale, connection) => {
                self.replace_announcement(user, stale, &mine).await?
            }
            _ => false,
        };
        Ok((self.evict(user, connections).await?, came_online))
    }

    /// Removes expired connections, and the oldest of too many, which it returns.
    async fn evict(&self, user: UserId, connections: Connections) -> Result<Vec<ConnectionId>> {
        let Connections { mut live, expired, attributes } = connections;
        live.sort_by_key(|connection| connection.since);
        let surplus = live.len().saturating_sub(MAX_CONNECTIONS);
        let oldest: Vec<ConnectionId> = live.drain(..surplus).map(|connection| connection.id).collect();
        let ended = expired.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        let last_seen = ended.filter(|ended| attributes.last_seen.is_none_or(|last_seen| last_seen < *ended));
        let removed: Vec<ConnectionId> =
            expired.into_iter().map(|(id, _)| id).chain(oldest.iter().cloned()).collect();
        if !removed.is_empty() {
            self.remove_connections(user, &removed, last_seen).await?;
        }
        Ok(oldest)
    }

    /// Stores the device of a registered connection.
    async fn set_device(&self, connection: &Connection, device: DeviceId) -> Result<()> {
        let update = Update::of(keys::presence(connection.user_id), "SET #connection.device_id = :device")
            .name("#connection", keys::connection_attribute(&connection.id))
            .only_if("attribute_exists(#connection)")
            .value(":device", device)?;
        self.table.update(update).await.map(drop)
    }

    /// Replaces an announcement whose end was never notified.
    async fn replace_announcement(
        &self,
        user: UserId,
        stale: &Announcement,
        mine: &Announcement,
    ) -> Result<bool> {
        let update = Update::of(keys::presence(user), "SET announced = :mine")
            .only_if("announced.#call = :stale")
            .name("#call", "call")
            .value(":mine", mine)?
            .value(":stale", stale.call)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// Removes all connections and the last-seen time of a deleted account.
    pub async fn clear_presence(&self, user: UserId) -> Result<()> {
        let mut tx = self.transaction();
        tx.put(keys::presence(user), DeletedMarker::DELETED).check_deleted(user);
        tx.commit_through_conflicts().await.map(drop)
    }

    /// Removes connections that have ended, and stores when the user was last seen. Returns whether the user
    /// has gone offline by it, which exactly one call learns.
    pub async fn remove_ended_connections(
        &self,
        user: UserId,
        ids: &[ConnectionId],
        now: Timestamp,
    ) -> Result<bool> {
        let Some(item) = self.remove_connections(user, ids, Some(now)).await? else { return Ok(false) };
        let connections = Connections::of(user, item, now)?;
        if !connections.live.is_empty() || connections.attributes.announced.is_none() {
            return Ok(false);
        }
        // A call that has changed the item since then notifies, if a notification is due.
        let update = Update::of(keys::presence(user), "REMOVE announced")
            .only_if("version = :version")
            .value(":version", connections.attributes.version)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// The item after the removal; `None` if there is none.
    async fn remove_connections(
        &self,
        user: UserId,
        ids: &[ConnectionId],
        last_seen: Option<Timestamp>,
    ) -> Result<Option<Item>> {
        let placeholders: Vec<String> = (0..ids.len()).map(|n| format!("#c{n}")).collect();
        let removal = format!("REMOVE {} ADD version :one", placeholders.join(", "));
        let update = match last_seen {
            None => Update::of(keys::presence(user), removal),
            Some(time) => Update::of(keys::presence(user), format!("{removal} SET last_seen = :seen"))
                .value(":seen", time)?,
        };
        let named = placeholders.iter().zip(ids);
        let update = named.fold(update, |update, (placeholder, id)| {
            update.name(placeholder, keys::connection_attribute(id))
        });
        let update = update.only_if("attribute_exists(pk) AND attribute_not_exists(is_deleted)");
        self.table.update(update.value(":one", 1)?).await
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
        let presences = owned.map(|(user, item)| Ok((user, Connections::of(user, item, now)?.presence())));
        presences.collect()
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

/// The update that registers a connection, with further assignments in `also`.
fn registration(connection: &Connection, token_expires: i64, also: &str) -> Result<Update> {
    let Connection { user_id, id, since, device_id } = connection;
    let expires = since.plus(MAX_LIFETIME).seconds().min(token_expires);
    let stored = StoredConnection { since: since.seconds(), expires, device_id: *device_id };
    let change = format!("SET #connection = if_not_exists(#connection, :connection){also} ADD version :one");
    Update::of(keys::presence(*user_id), change)
        .name("#connection", keys::connection_attribute(id))
        .only_if("attribute_not_exists(is_deleted)")
        .value(":connection", stored)?
        .value(":one", 1)
}

impl Connections {
    fn of(user: UserId, item: Item, now: Timestamp) -> Result<Self> {
        let (live, expired) = connections(user, &item, now);
        Ok(Self { live, expired, attributes: read(item)? })
    }

    /// Whether a connection is registered with its device.
    fn has_device_of(&self, connection: &Connection) -> bool {
        let same = self.live.iter().find(|live| live.id == connection.id);
        same.is_some_and(|live| live.device_id == connection.device_id)
    }

    /// Whether no call will notify the end of an announcement any more, and `alone` is the only live
    /// connection.
    fn is_abandoned(&self, announced: &Announcement, alone: &Connection) -> bool {
        let is_alone = self.live.iter().all(|live| live.id == alone.id);
        let is_old = |seen: Timestamp| alone.since.since(seen) >= NOTIFICATION_TIMEOUT;
        is_alone && announced.by != alone.id && self.attributes.last_seen.is_none_or(is_old)
    }

    fn presence(&self) -> Presence {
        let ended = self.expired.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        Presence { is_online: !self.live.is_empty(), last_seen: self.attributes.last_seen.max(ended) }
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
