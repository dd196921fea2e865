//! Who is online: one item a person, one attribute a live connection.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::{
    Store,
    item::{Item, Update, read, sk},
    keys,
};
use crate::{
    clock::Timestamp,
    domain::room::Room,
    error::{Error, Result},
    id::{ConnectionId, RoomId, UserId},
};

/// A person has at most this many connections; the oldest gives way.
const MAX_CONNECTIONS: usize = 20;

/// API Gateway ends a connection after two hours; a little more is left for clocks that differ.
const LIFE: Duration = Duration::minutes(2 * 60 + 5);

/// One live connection of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whose.
    pub user_id: UserId,
    /// The gateway's name for it.
    pub id: ConnectionId,
    /// Since when it is known.
    pub since: Timestamp,
}

/// What the attribute of a connection holds; times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Known {
    since: i64,
    expires: i64,
}

impl Store {
    /// Remembers a connection until its token or the gateway ends it; `token_expires` in seconds since 1970.
    /// Returns the connections that have to be closed, because the person has too many.
    pub async fn connected(&self, connection: &Connection, token_expires: i64) -> Result<Vec<ConnectionId>> {
        let (user, id, now) = (connection.user_id, &connection.id, connection.since);
        let expires = now.plus(LIFE).seconds().min(token_expires);
        let update = Update::of(keys::presence(user), "SET #connection = if_not_exists(#connection, :known)")
            .name("#connection", keys::connection_attribute(id))
            .value(":known", Known { since: now.seconds(), expires })?;
        let item = self.table.update(update).await?.unwrap_or_default();
        let (mut live, mut gone) = connections(user, &item, now);
        live.sort_by_key(|connection| connection.since);
        let surplus = live.len().saturating_sub(MAX_CONNECTIONS);
        let oldest: Vec<ConnectionId> = live.drain(..surplus).map(|connection| connection.id).collect();
        gone.extend(oldest.iter().cloned());
        if !gone.is_empty() {
            self.forget_all(user, &gone, None).await?;
        }
        Ok(oldest)
    }

    /// Forgets one connection that has ended, and notes when the person was last seen.
    pub async fn disconnected(&self, user: UserId, id: &ConnectionId, now: Timestamp) -> Result<()> {
        self.forget_all(user, std::slice::from_ref(id), Some(now)).await
    }

    async fn forget_all(
        &self,
        user: UserId,
        ids: &[ConnectionId],
        last_seen: Option<Timestamp>,
    ) -> Result<()> {
        let places: Vec<String> = (0..ids.len()).map(|place| format!("#c{place}")).collect();
        let removal = format!("REMOVE {}", places.join(", "));
        let update = match last_seen {
            None => Update::of(keys::presence(user), removal),
            Some(time) => Update::of(keys::presence(user), format!("{removal} SET last_seen = :seen"))
                .value(":seen", time)?,
        };
        let named = places.iter().zip(ids);
        let update =
            named.fold(update, |update, (place, id)| update.name(place, keys::connection_attribute(id)));
        self.table.update(update).await.map(drop)
    }

    /// The live connections of some people.
    pub async fn connections(&self, people: &[UserId], now: Timestamp) -> Result<Vec<Connection>> {
        let keys = people.iter().copied().map(keys::presence);
        let items = self.table.batch_get(keys, true).await?;
        Ok(items.iter().flat_map(|item| live_connections(item, now)).collect())
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

fn live_connections(item: &Item, now: Timestamp) -> Vec<Connection> {
    let owner = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| keys::user_of(pk));
    owner.map(|user| connections(user, item, now).0).unwrap_or_default()
}

/// The live connections of an item, and the names of those whose time is over, each in the order of their ids.
fn connections(user_id: UserId, item: &Item, now: Timestamp) -> (Vec<Connection>, Vec<ConnectionId>) {
    let (mut live, mut over) = (Vec::new(), Vec::new());
    for (attribute, value) in item {
        let Some(id) = keys::connection_of(attribute) else {
            continue;
        };
        match known(value) {
            Some(known) if known.expires > now.seconds() => {
                live.push(Connection { user_id, id, since: Timestamp::from_seconds(known.since) });
            }
            _ => over.push(id),
        }
    }
    live.sort_by(|a, b| a.id.cmp(&b.id));
    over.sort();
    (live, over)
}

fn known(value: &AttributeValue) -> Option<Known> {
    serde_dynamo::from_attribute_value(value.clone()).ok()
}
