//! Who is online: one item a person, one attribute a live connection.
//!
//! Every change of the item raises its `version`, so that who has to tell of it is decided once, whatever happens at the
//! same moment.

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
        },
    },
};
use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use chrono::Duration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A person has at most this many connections; the oldest gives way.
const MAX_CONNECTIONS: usize = 20;

/// API Gateway ends a connection after two hours; a little more is left for clocks that differ.
const LIFE: Duration = Duration::minutes(2 * 60 + 5);

/// Whoever forgets somebody's last connection tells of it within this time, or has died.
const TELLING: Duration = Duration::seconds(60);

/// What the attribute of a connection holds; times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Known {
    since: i64,
    expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
}

/// The `hello` by which a person came online. It stays until their last connection has ended.
#[derive(Serialize, Deserialize)]
struct Announced {
    by: ConnectionId,
    call: Uuid,
}

/// The rest of the item.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rest {
    version: u64,
    announced: Option<Announced>,
    last_seen: Option<Timestamp>,
}

/// What is known of a person's connections.
struct Connections {
    live: Vec<Connection>,
    /// Those whose time is over, and when that was, in seconds since 1970.
    over: Vec<(ConnectionId, i64)>,
    rest: Rest,
}

impl Store {
    /// Remembers a connection until its token or the gateway ends it; `token_expires` in seconds since 1970.
    /// Returns the connections that have to be closed, because the person has too many. Who has deleted their account
    /// comes by no token from before, while they are gone.
    pub async fn connected(&self, connection: &Connection, token_expires: i64) -> Result<Vec<ConnectionId>> {
        let update = remember(connection, token_expires, "")?;
        let item = self.table.update(update).await?.ok_or(TOKEN_BEFORE_DELETION)?;
        self.make_room(connection.user_id, Connections::of(connection.user_id, item, connection.since)?).await
    }

    /// The same for a connection that says hello, and whether its person has come online by that: whether this is the
    /// first of their live connections that does.
    pub async fn mark_online(
        &self,
        connection: &Connection,
        token_expires: i64,
    ) -> Result<(Vec<ConnectionId>, bool)> {
        let (user, now) = (connection.user_id, connection.since);
        let mine = Announced { by: connection.id.clone(), call: Uuid::new_v4() };
        let update = remember(connection, token_expires, ", announced = if_not_exists(announced, :mine)")?;
        let item = self.table.update(update.value(":mine", &mine)?).await?.ok_or(TOKEN_BEFORE_DELETION)?;
        let known = Connections::of(user, item, now)?;
        if let Some(device) = connection.device_id.filter(|_| !known.has(connection)) {
            self.assign(connection, device).await?;
        }
        let is_news = match &known.rest.announced {
            Some(announced) if announced.call == mine.call => true,
            Some(stale) if known.is_forsaken(stale, connection) => {
                self.announce_instead(user, stale, &mine).await?
            }
            _ => false,
        };
        Ok((self.make_room(user, known).await?, is_news))
    }

    /// Forgets what is over, and the oldest of too many, which it returns.
    async fn make_room(&self, user: UserId, known: Connections) -> Result<Vec<ConnectionId>> {
        let Connections { mut live, over, rest } = known;
        live.sort_by_key(|connection| connection.since);
        let surplus = live.len().saturating_sub(MAX_CONNECTIONS);
        let oldest: Vec<ConnectionId> = live.drain(..surplus).map(|connection| connection.id).collect();
        let ended = over.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        let last_seen = ended.filter(|ended| rest.last_seen.is_none_or(|last_seen| last_seen < *ended));
        let gone: Vec<ConnectionId> =
            over.into_iter().map(|(id, _)| id).chain(oldest.iter().cloned()).collect();
        if !gone.is_empty() {
            self.forget_all(user, &gone, last_seen).await?;
        }
        Ok(oldest)
    }

    /// Says of a known connection which device it belongs to.
    async fn assign(&self, connection: &Connection, device: DeviceId) -> Result<()> {
        let update = Update::of(keys::presence(connection.user_id), "SET #connection.device_id = :device")
            .name("#connection", keys::connection_attribute(&connection.id))
            .only_if("attribute_exists(#connection)")
            .value(":device", device)?;
        self.table.update(update).await.map(drop)
    }

    /// Takes the place of an announcement whose end nobody told.
    async fn announce_instead(&self, user: UserId, stale: &Announced, mine: &Announced) -> Result<bool> {
        let update = Update::of(keys::presence(user), "SET announced = :mine")
            .only_if("announced.#call = :stale")
            .name("#call", "call")
            .value(":mine", mine)?
            .value(":stale", stale.call)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// A write of a transaction: somebody comes no more.
    pub(in crate::store) fn close_presence(&self, user: UserId) -> Result<TransactWriteItem> {
        self.update(Update::of(keys::presence(user), "SET is_deleted = :gone").value(":gone", true)?)
    }

    /// Forgets all connections of somebody who is gone, and when they were last seen.
    pub async fn forget_presence(&self, user: UserId) -> Result<()> {
        let writes = vec![
            self.put(keys::presence(user), DeletedMarker { is_deleted: true })?,
            self.check_deleted(user)?,
        ];
        self.table.transact(&writes).await.map(drop)
    }

    /// Forgets connections that have ended, and notes when the person was last seen. Whether they have gone offline by
    /// that, which is said once.
    pub async fn disconnected(&self, user: UserId, ids: &[ConnectionId], now: Timestamp) -> Result<bool> {
        let Some(item) = self.forget_all(user, ids, Some(now)).await? else { return Ok(false) };
        let known = Connections::of(user, item, now)?;
        if !known.live.is_empty() || known.rest.announced.is_none() {
            return Ok(false);
        }
        // Whoever has changed the item since then has seen it as it is now: either somebody is back, or it is theirs to say.
        let update = Update::of(keys::presence(user), "REMOVE announced")
            .only_if("version = :version")
            .value(":version", known.rest.version)?;
        Ok(self.table.update(update).await?.is_some())
    }

    /// The item afterwards, or nothing if there is none.
    async fn forget_all(
        &self,
        user: UserId,
        ids: &[ConnectionId],
        last_seen: Option<Timestamp>,
    ) -> Result<Option<Item>> {
        let places: Vec<String> = (0..ids.len()).map(|place| format!("#c{place}")).collect();
        let removal = format!("REMOVE {} ADD version :one", places.join(", "));
        let update = match last_seen {
            None => Update::of(keys::presence(user), removal),
            Some(time) => Update::of(keys::presence(user), format!("{removal} SET last_seen = :seen"))
                .value(":seen", time)?,
        };
        let named = places.iter().zip(ids);
        let update =
            named.fold(update, |update, (place, id)| update.name(place, keys::connection_attribute(id)));
        self.table
            .update(
                update
                    .only_if("attribute_exists(pk) AND attribute_not_exists(is_deleted)")
                    .value(":one", 1)?,
            )
            .await
    }

    /// The live connections of some people.
    pub async fn connections(&self, people: &[UserId], now: Timestamp) -> Result<Vec<Connection>> {
        let keys = people.iter().copied().map(keys::presence);
        let items = self.table.batch_get(keys, true).await?;
        Ok(items.iter().flat_map(|item| live_connections(item, now)).collect())
    }

    /// Who of some people is online, and when they last were. Who never came is left out.
    pub async fn presences(&self, people: &[UserId], now: Timestamp) -> Result<HashMap<UserId, Presence>> {
        let keys = people.iter().copied().map(keys::presence);
        let items = self.table.batch_get(keys, true).await?.into_iter();
        let known = items.filter_map(|item| owner(&item).map(|user| (user, item)));
        let presences = known.map(|(user, item)| Ok((user, Connections::of(user, item, now)?.presence())));
        presences.collect()
    }

    /// The live connections of some people, and a room as it stands then: one call, though no snapshot.
    pub async fn connections_and_room(
        &self,
        people: &[UserId],
        room: RoomId,
        now: Timestamp,
    ) -> Result<(Vec<Connection>, Room)> {
        let keys = people.iter().copied().map(keys::presence).chain([keys::meta(room)]);
        let items = self.table.batch_get(keys, true).await?;
        let (rooms, presences): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| sk(item) == keys::META);
        let room = rooms.into_iter().next().map(read).transpose()?.ok_or(Error::NotFound)?;
        Ok((presences.iter().flat_map(|item| live_connections(item, now)).collect(), room))
    }
}

/// The change that a connection makes, and what else is set with it.
fn remember(connection: &Connection, token_expires: i64, also: &str) -> Result<Update> {
    let Connection { user_id, id, since, device_id } = connection;
    let expires = since.plus(LIFE).seconds().min(token_expires);
    let known = Known { since: since.seconds(), expires, device_id: *device_id };
    let change = format!("SET #connection = if_not_exists(#connection, :known){also} ADD version :one");
    let update = Update::of(keys::presence(*user_id), change);
    let update = update
        .name("#connection", keys::connection_attribute(id))
        .only_if("attribute_not_exists(is_deleted)");
    update.value(":known", known)?.value(":one", 1)
}

impl Connections {
    fn of(user: UserId, item: Item, now: Timestamp) -> Result<Self> {
        let (live, over) = connections(user, &item, now);
        Ok(Self { live, over, rest: read(item)? })
    }

    /// Whether a connection is known as its device's.
    fn has(&self, connection: &Connection) -> bool {
        let same = self.live.iter().find(|live| live.id == connection.id);
        same.is_some_and(|live| live.device_id == connection.device_id)
    }

    /// Whether nobody will tell of the end of an announcement any more, and the only one there is this connection.
    fn is_forsaken(&self, announced: &Announced, alone: &Connection) -> bool {
        let is_alone = self.live.iter().all(|live| live.id == alone.id);
        let is_old = |seen: Timestamp| alone.since.since(seen) >= TELLING;
        is_alone && announced.by != alone.id && self.rest.last_seen.is_none_or(is_old)
    }

    fn presence(&self) -> Presence {
        let ended = self.over.iter().map(|(_, ended)| Timestamp::from_seconds(*ended)).max();
        Presence { is_online: !self.live.is_empty(), last_seen: self.rest.last_seen.max(ended) }
    }
}

fn owner(item: &Item) -> Option<UserId> {
    item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| keys::user_of(pk))
}

fn live_connections(item: &Item, now: Timestamp) -> Vec<Connection> {
    owner(item).map(|user| connections(user, item, now).0).unwrap_or_default()
}

/// The live connections of an item, and the names of those whose time is over with its end, each in the order of their ids.
fn connections(user_id: UserId, item: &Item, now: Timestamp) -> (Vec<Connection>, Vec<(ConnectionId, i64)>) {
    let (mut live, mut over) = (Vec::new(), Vec::new());
    for (attribute, value) in item {
        let Some(id) = keys::connection_of(attribute) else {
            continue;
        };
        match known(value) {
            Some(Known { since, expires, device_id }) if expires > now.seconds() => {
                let since = Timestamp::from_seconds(since);
                live.push(Connection { user_id, id, since, device_id });
            }
            ended => over.push((id, ended.map_or(0, |known| known.expires))),
        }
    }
    live.sort_by(|a, b| a.id.cmp(&b.id));
    over.sort();
    (live, over)
}

fn known(value: &AttributeValue) -> Option<Known> {
    serde_dynamo::from_attribute_value(value.clone()).ok()
}
