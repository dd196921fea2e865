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
    domain::users::presence::{CONNECT_TIMEOUT, Connection},
    error::{BestEffort, Error, Result},
    id::{ConnectionId, UserId},
    store::{Store, users::presence::Connections},
    wire::{
        json::Echo,
        socket::{Event, Frame},
    },
};

/// The maximum number of concurrent posts: one round for the largest room.
const CONCURRENT_PUSHES: usize = 256;

/// The maximum number of users whose friends are notified concurrently that the user went offline.
const CONCURRENT_NOTIFICATIONS: usize = 16;

/// The timeout of a call to a connection, including retries. It bounds the delay of the caller by a client that
/// does not read.
const PUSH_TIMEOUT: Duration = Duration::from_millis(1500);

/// The maximum number of attempts of a call to a connection. Throttled and failed ones are retried with jitter.
const PUSH_ATTEMPTS: u32 = 3;

/// The longest delay before the first retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

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

/// The state of a connection after a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Posted {
    /// The connection is open, as far as the post shows.
    Open,
    /// The connection no longer exists, or is not open yet.
    Gone,
    /// The gateway's buffer for the client stays full.
    Slow,
}

impl Push {
    /// Creates a client for the WebSocket stage at `endpoint`. Without an endpoint, pushes fail.
    pub fn from_config(aws: &SdkConfig, endpoint: Option<&str>, store: Store) -> Self {
        let sockets = endpoint.map(|endpoint| {
            let timeouts = TimeoutConfig::builder().operation_timeout(PUSH_TIMEOUT);
            let retries = RetryConfig::standard().with_max_attempts(PUSH_ATTEMPTS);
            let config = Builder::from(aws)
                .endpoint_url(endpoint)
                .retry_config(retries.with_initial_backoff(FIRST_BACKOFF))
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
    /// seconds. Closes the oldest connections of a user who has too many, or refuses the new one.
    pub async fn register_connection(&self, connection: &Connection, token_expires: i64) -> Result<()> {
        let connections = self.store.register_connection(connection, token_expires).await?;
        let Some(surplus) = connections.surplus(connection) else {
            self.store.tidy_connections(&connections, std::slice::from_ref(&connection.id)).await?;
            return Err(Error::RateLimited { retry_after: CONNECT_TIMEOUT });
        };
        // A connection that cannot be closed stays registered.
        let closed = self.close_all(&surplus).await;
        self.store.tidy_connections(&connections, &closed).await
    }

    /// Posts frames concurrently, started in order. Failures are only logged: a push is a hint, and the log
    /// of the room has the data. Notifies the friends of users whose last connection no longer exists.
    pub async fn deliver(
        &self,
        frames: impl IntoIterator<Item = OutboundFrame>,
        now: Timestamp,
    ) -> Result<()> {
        let sockets = self.sockets()?;
        // Rare work is boxed, because the compiler limits how deeply futures nest.
        let posts = frames.into_iter().map(|frame| async move {
            let connection = &frame.connection;
            match self.post(sockets, connection, &frame.frame).await {
                Posted::Gone if !connection.may_be_opening(now) => {
                    let (user, id) = (connection.user_id, &connection.id);
                    Box::pin(self.store.remove_lost_connection(user, id, now)).await.unwrap_or_else(|error| {
                        Err::<(), _>(error).can_fail("removing a lost connection");
                        None
                    })
                }
                Posted::Slow => {
                    Box::pin(self.close_slow(connection, now)).await.can_fail("closing a slow connection");
                    None
                }
                Posted::Gone | Posted::Open => None,
            }
        });
        let posts = futures::stream::iter(posts).buffer_unordered(CONCURRENT_PUSHES);
        let offline: Vec<Connections> = posts.filter_map(std::future::ready).collect().await;
        let notifications = offline.into_iter().map(|connections| async move {
            // Boxed because it is recursive: the notification may find other connections that no longer
            // exist.
            Box::pin(self.notify_presence_now(connections, now)).await.can_fail("offline notification");
        });
        futures::stream::iter(notifications).buffer_unordered(CONCURRENT_NOTIFICATIONS).collect::<()>().await;
        Ok(())
    }

    /// Posts a reply to the connection of a call. Returns whether the connection is still open.
    pub async fn answer(&self, connection: &Connection, frame: &Frame<'_>, now: Timestamp) -> Result<bool> {
        let posted = self.post(self.sockets()?, connection, &frame.encode()?).await;
        if posted == Posted::Slow {
            Box::pin(self.close_slow(connection, now)).await?;
        }
        Ok(posted == Posted::Open)
    }

    /// Closes a connection. Returns whether it was open.
    pub async fn close(&self, id: &ConnectionId) -> Result<bool> {
        let closed = self.sockets()?.delete_connection().connection_id(&id.0).send().await;
        match closed.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(DeleteConnectionError::GoneException(_)) => Ok(false),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Closes connections. Returns those that are closed.
    pub async fn close_all(&self, ids: &[ConnectionId]) -> Vec<ConnectionId> {
        let closed = futures::future::join_all(ids.iter().map(|id| self.close(id))).await;
        let closed = ids.iter().zip(closed).filter_map(|(id, closed)| {
            let is_closed = closed.is_ok();
            closed.map(drop).can_fail("closing a connection");
            is_closed.then(|| id.clone())
        });
        closed.collect()
    }

    /// Closes and removes a connection whose client does not read, so that it delays no other push. Its
    /// `$disconnect` notifies friends. A connection that cannot be closed stays registered: then the gateway
    /// may be slow, not the client.
    async fn close_slow(&self, connection: &Connection, now: Timestamp) -> Result<()> {
        self.close(&connection.id).await?;
        let ids = std::slice::from_ref(&connection.id);
        self.store.remove_ended_connections(connection.user_id, ids, now).await.map(drop)
    }

    fn sockets(&self) -> Result<&Client> {
        self.sockets.as_ref().ok_or_else(|| Error::internal("SOCKET_ENDPOINT is not set"))
    }

    /// Posts a frame. A failure that does not concern the connection is only logged.
    async fn post(&self, sockets: &Client, connection: &Connection, frame: &[u8]) -> Posted {
        let call = sockets.post_to_connection().connection_id(&connection.id.0).data(Blob::new(frame));
        match call.send().await {
            Ok(_) => Posted::Open,
            Err(SdkError::TimeoutError(_)) => Posted::Slow,
            Err(error) => match error.into_service_error() {
                PostToConnectionError::GoneException(_) => Posted::Gone,
                PostToConnectionError::LimitExceededException(_) => Posted::Slow,
                error => {
                    Err::<(), _>(Error::internal(error)).can_fail("push to a connection");
                    Posted::Open
                }
            },
        }
    }
}
