//! Posts frames to live connections with bounded concurrency, and removes connections that no longer exist.

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

use crate::{
    clock::Timestamp,
    domain::users::presence::Connection,
    error::{BestEffort, Error, Result},
    id::{ConnectionId, UserId},
    store::Store,
    wire::{
        json::Echo,
        socket::{Event, Frame},
    },
};

/// The maximum number of concurrent posts: one round for the largest room.
const CONCURRENT_PUSHES: usize = 256;

/// The maximum number of users whose friends are notified concurrently that the user went offline.
const CONCURRENT_NOTIFICATIONS: usize = 16;

/// The timeout of a post, including retries. It bounds the delay by a dead or slow client.
const PUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum number of attempts of a post. Throttled and failed ones are retried with jitter.
const PUSH_ATTEMPTS: u32 = 3;

/// API Gateway returns 410 for a connection until its `$connect` has returned. A younger connection is not
/// removed.
const CONNECT_GRACE: chrono::Duration = chrono::Duration::seconds(60);

/// The client for live connections.
#[derive(Clone)]
pub struct Push {
    sockets: Option<Client>,
    pub(super) store: Store,
}

/// A frame for a connection. Connections with the same frame share its bytes.
#[derive(Clone, Debug)]
pub struct OutboundFrame {
    /// The receiving connection.
    pub connection: Connection,
    /// The JSON of the frame.
    pub frame: Arc<[u8]>,
}

/// The origin of a frame from a client, to which a push replies.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The sending connection.
    pub connection: Connection,
    /// The `ref` of the frame.
    pub reference: Option<Echo>,
}

impl Push {
    /// Creates a client for the WebSocket stage at `endpoint`. Without an endpoint, pushes fail.
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

    /// Sends an event to all connections of some users.
    pub async fn notify(&self, users: &[UserId], event: &Event, now: Timestamp) -> Result<()> {
        let frame = Frame::of(event).encode()?;
        let connections = self.store.connections(users, now).await?;
        self.deliver(
            connections.into_iter().map(|connection| OutboundFrame { connection, frame: frame.clone() }),
            now,
        )
        .await
    }

    /// Sends each of some users their own event, on all their connections.
    pub async fn notify_each(
        &self,
        users: &[UserId],
        event: impl Fn(UserId) -> Event,
        now: Timestamp,
    ) -> Result<()> {
        let connections = self.store.connections(users, now).await?;
        let frames = connections.into_iter().map(|connection| {
            let frame = Frame::of(&event(connection.user_id)).encode()?;
            Ok(OutboundFrame { connection, frame })
        });
        self.deliver(frames.collect::<Result<Vec<_>>>()?, now).await
    }

    /// Registers a connection until its token expires or the gateway ends it. `token_expires` is in Unix
    /// seconds. Closes the oldest connections of a user who has too many.
    pub async fn register_connection(&self, connection: &Connection, token_expires: i64) -> Result<()> {
        let oldest = self.store.register_connection(connection, token_expires).await?;
        self.close_all(&oldest).await;
        Ok(())
    }

    /// Registers a connection that sent `hello`, as [`Self::register_connection`] does. Returns whether the
    /// user came online.
    pub async fn mark_online(&self, connection: &Connection, token_expires: i64) -> Result<bool> {
        let (oldest, came_online) = self.store.mark_online(connection, token_expires).await?;
        self.close_all(&oldest).await;
        Ok(came_online)
    }

    /// Posts frames concurrently, started in order. Failures are only logged: a push is a hint, and the log
    /// of the room has the data. Notifies the friends of users whose last connection no longer exists.
    pub async fn deliver(
        &self,
        frames: impl IntoIterator<Item = OutboundFrame>,
        now: Timestamp,
    ) -> Result<()> {
        let sockets = self.sockets()?;
        let posts = frames.into_iter().map(|frame| self.post(sockets, frame, now));
        let posts = futures::stream::iter(posts).buffer_unordered(CONCURRENT_PUSHES);
        let offline: Vec<UserId> = posts.filter_map(std::future::ready).collect().await;
        let notifications = offline.into_iter().map(|user| async move {
            // Boxed because it is recursive: the notification may find other connections that no longer
            // exist.
            Box::pin(self.notify_status(user, now)).await.can_fail("offline notification");
        });
        futures::stream::iter(notifications).buffer_unordered(CONCURRENT_NOTIFICATIONS).collect::<()>().await;
        Ok(())
    }

    /// Posts a reply to the connection of a call.
    pub async fn answer(&self, connection: Connection, frame: &Frame<'_>, now: Timestamp) -> Result<()> {
        self.deliver([OutboundFrame { connection, frame: frame.encode()? }], now).await
    }

    /// Closes a connection.
    pub async fn close(&self, id: &ConnectionId) -> Result<()> {
        let closed = self.sockets()?.delete_connection().connection_id(&id.0).send().await;
        match closed.map_err(SdkError::into_service_error) {
            Ok(_) | Err(DeleteConnectionError::GoneException(_)) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Closes connections that are already removed from the table.
    pub async fn close_all(&self, ids: &[ConnectionId]) {
        let closed = futures::future::join_all(ids.iter().map(|id| self.close(id))).await;
        for closed in closed {
            closed.can_fail("closing a connection");
        }
    }

    fn sockets(&self) -> Result<&Client> {
        self.sockets.as_ref().ok_or_else(|| Error::internal("SOCKET_ENDPOINT is not set"))
    }

    /// Posts a frame. Returns the user if this was their last connection and it no longer exists.
    async fn post(&self, sockets: &Client, frame: OutboundFrame, now: Timestamp) -> Option<UserId> {
        let OutboundFrame { connection, frame } = frame;
        let call = sockets.post_to_connection().connection_id(&connection.id.0).data(Blob::new(&*frame));
        match call.send().await.map_err(SdkError::into_service_error) {
            Err(PostToConnectionError::GoneException(_)) if now.since(connection.since) >= CONNECT_GRACE => {
                let Connection { user_id, id, .. } = connection;
                let went_offline =
                    self.store.remove_ended_connections(user_id, &[id], now).await.unwrap_or_else(|error| {
                        Err::<(), _>(error).can_fail("removing a closed connection");
                        false
                    });
                return went_offline.then_some(user_id);
            }
            Ok(_) | Err(PostToConnectionError::GoneException(_)) => {}
            Err(error) => Err::<(), _>(Error::internal(error)).can_fail("push to a connection"),
        }
        None
    }
}
