//! Frames to live sockets, concurrently and within bounds. A socket that is gone is forgotten, and only that one.

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_apigatewaymanagement::{
    Client,
    config::Builder,
    error::SdkError,
    operation::{delete_connection::DeleteConnectionError, post_to_connection::PostToConnectionError},
    primitives::Blob,
};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    domain::users::presence::Connection,
    error::{BestEffort, Error, Result},
    id::{ConnectionId, UserId},
    store::Store,
    wire::socket::{Event, Frame},
};

/// So many frames are on their way at once, so that everyone in a large room gets theirs in one round.
const CONCURRENT_PUSHES: usize = 256;

/// So many people's friends are told at once that they went offline.
const CONCURRENT_TELLINGS: usize = 16;

/// The longest that one dead or slow peer is waited for, all tries included.
const PUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Tries of one frame: throttled and failed ones are tried again, with jitter.
const PUSH_ATTEMPTS: u32 = 3;

/// API Gateway answers 410 for a connection until its `$connect` has returned; a younger one is not taken for dead.
const YOUNG: chrono::Duration = chrono::Duration::seconds(60);

/// The way to live sockets.
#[derive(Clone)]
pub struct Push {
    sockets: Option<Client>,
    pub(super) store: Store,
}

/// One frame for one connection. Connections that get the same frame share its bytes.
#[derive(Clone, Debug)]
pub struct OutboundFrame {
    /// Where it goes.
    pub connection: Connection,
    /// The JSON of the frame.
    pub frame: Arc<[u8]>,
}

/// The frame that a push answers: its connection, and what the client called it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Where it came from.
    pub connection: Connection,
    /// Its `ref`.
    pub reference: Option<Value>,
}

impl Push {
    /// The way through the gateway at `endpoint`; a function without one cannot push.
    pub fn from_config(aws: &SdkConfig, endpoint: Option<&str>, store: Store) -> Self {
        let sockets = endpoint.map(|endpoint| {
            let timeouts =
                TimeoutConfig::builder().connect_timeout(PUSH_TIMEOUT).operation_timeout(PUSH_TIMEOUT);
            let config = Builder::from(aws)
                .endpoint_url(endpoint)
                .retry_config(RetryConfig::standard().with_max_attempts(PUSH_ATTEMPTS))
                .timeout_config(timeouts.build());
            Client::from_conf(config.build())
        });
        Self { sockets, store }
    }

    /// Tells some people on all their devices.
    pub async fn notify(&self, people: &[UserId], event: &Event, now: Timestamp) -> Result<()> {
        let frame = Frame::of(event).encode()?;
        let connections = self.store.connections(people, now).await?;
        self.deliver(
            connections.into_iter().map(|connection| OutboundFrame { connection, frame: frame.clone() }),
            now,
        )
        .await
    }

    /// Tells each of some people what concerns them, on all their devices.
    pub async fn notify_each(
        &self,
        people: &[UserId],
        event: impl Fn(UserId) -> Event,
        now: Timestamp,
    ) -> Result<()> {
        let connections = self.store.connections(people, now).await?;
        let parcels = connections.into_iter().map(|connection| {
            let frame = Frame::of(&event(connection.user_id)).encode()?;
            Ok(OutboundFrame { connection, frame })
        });
        self.deliver(parcels.collect::<Result<Vec<_>>>()?, now).await
    }

    /// Remembers a connection until its token or the gateway ends it; `token_expires` in seconds since 1970.
    /// Where a person has too many, the oldest give way.
    pub async fn register_connection(&self, connection: &Connection, token_expires: i64) -> Result<()> {
        let oldest = self.store.register_connection(connection, token_expires).await?;
        self.close_all(&oldest).await;
        Ok(())
    }

    /// The same for a connection that says hello. Whether its person has come online by that.
    pub async fn mark_online(&self, connection: &Connection, token_expires: i64) -> Result<bool> {
        let (oldest, is_news) = self.store.mark_online(connection, token_expires).await?;
        self.close_all(&oldest).await;
        Ok(is_news)
    }

    /// Posts parcels concurrently, in their order as far as the bound of concurrency reaches. Those that fail are
    /// logged: a push is a hint, what counts is in the log. Whose last connection turns out to be gone has gone offline.
    pub async fn deliver(
        &self,
        parcels: impl IntoIterator<Item = OutboundFrame>,
        now: Timestamp,
    ) -> Result<()> {
        let sockets = self.sockets()?;
        let posts = parcels.into_iter().map(|parcel| self.post(sockets, parcel, now));
        let posts = futures::stream::iter(posts).buffer_unordered(CONCURRENT_PUSHES);
        let offline: Vec<UserId> = posts.filter_map(std::future::ready).collect().await;
        let told = offline.into_iter().map(|user| async move {
            // Boxed: the telling may find other connections gone.
            Box::pin(self.notify_status(user, now)).await.can_fail("telling who went offline");
        });
        futures::stream::iter(told).buffer_unordered(CONCURRENT_TELLINGS).collect::<()>().await;
        Ok(())
    }

    /// Posts one frame to the connection that a call came from.
    pub async fn answer(&self, connection: Connection, frame: &Frame<'_>, now: Timestamp) -> Result<()> {
        self.deliver([OutboundFrame { connection, frame: frame.encode()? }], now).await
    }

    /// Ends a connection.
    pub async fn close(&self, id: &ConnectionId) -> Result<()> {
        let closed = self.sockets()?.delete_connection().connection_id(&id.0).send().await;
        match closed.map_err(SdkError::into_service_error) {
            Ok(_) | Err(DeleteConnectionError::GoneException(_)) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Ends connections that are forgotten already.
    pub async fn close_all(&self, ids: &[ConnectionId]) {
        let closed = futures::future::join_all(ids.iter().map(|id| self.close(id))).await;
        for closed in closed {
            closed.can_fail("closing a connection");
        }
    }

    fn sockets(&self) -> Result<&Client> {
        self.sockets.as_ref().ok_or_else(|| Error::internal("SOCKET_ENDPOINT is not set"))
    }

    /// Posts one frame. Who has gone offline, if its connection was their last one and is gone.
    async fn post(&self, sockets: &Client, parcel: OutboundFrame, now: Timestamp) -> Option<UserId> {
        let OutboundFrame { connection, frame } = parcel;
        let call = sockets.post_to_connection().connection_id(&connection.id.0).data(Blob::new(&*frame));
        match call.send().await.map_err(SdkError::into_service_error) {
            Err(PostToConnectionError::GoneException(_)) if now.since(connection.since) >= YOUNG => {
                let Connection { user_id, id, .. } = connection;
                let is_news = self.store.disconnected(user_id, &[id], now).await.unwrap_or_else(|error| {
                    Err::<(), _>(error).can_fail("forgetting a connection that is gone");
                    false
                });
                return is_news.then_some(user_id);
            }
            Ok(_) | Err(PostToConnectionError::GoneException(_)) => {}
            Err(error) => Err::<(), _>(Error::internal(error)).can_fail("push to a connection"),
        }
        None
    }
}
