//! The session of an open WebSocket connection: reads frames, writes messages, and closes.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use super::connections::{CloseStatus, Connection};
use super::websocket::SocketGateway;

// API Gateway's quotas for WebSocket APIs, in bytes and as durations.
const MAX_FRAME_SIZE: usize = 32 * 1024;
const MAX_MESSAGE_SIZE: usize = 128 * 1024;
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
const MAX_CONNECTION_DURATION: Duration = Duration::from_hours(2);
/// The most frames of a connection that are processed concurrently; further frames are not read meanwhile.
const MAX_CONCURRENT_FRAMES: usize = 16;
/// How long a closing connection may send its queued messages, and again wait for the client's close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Serves a connection until it closes, then invokes `$disconnect`.
pub async fn run(
    gateway: Arc<SocketGateway>,
    connection: Arc<Connection>,
    messages: mpsc::Receiver<String>,
    upgrade: OnUpgrade,
) {
    let (status, closing) = match upgrade.await {
        Ok(upgraded) => {
            let config = WebSocketConfig::default()
                .read_buffer_size(MAX_FRAME_SIZE)
                .max_frame_size(Some(MAX_FRAME_SIZE))
                .max_message_size(Some(MAX_MESSAGE_SIZE));
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            serve(&gateway, &connection, messages, socket).await
        }
        Err(_) => (CloseStatus::new(1006, ""), None),
    };
    gateway.connections.remove(&connection.id);
    connection.close(status.clone());
    tracing::info!(target: "websocket", "{} closed with {}", connection.id, status.code);
    if gateway.api.routes.contains_key("$disconnect") {
        let event = gateway.endpoint.disconnect_event(&connection, &status, &Uuid::new_v4().to_string());
        // Best effort, as on AWS. The invocation logs a failure.
        gateway.invoke("$disconnect", &event).await;
    }
    drop(closing);
}

async fn serve(
    gateway: &Arc<SocketGateway>,
    connection: &Arc<Connection>,
    messages: mpsc::Receiver<String>,
    socket: Socket,
) -> (CloseStatus, Option<TaskTrackerToken>) {
    let (sink, mut stream) = socket.split();
    let mut writer = tokio::spawn(write(sink, messages, Arc::clone(connection)));
    let (status, unread) = read(gateway, connection, &mut stream).await;
    // Before the reply to the close frame is sent: a client that has received the reply can wait for
    // `$disconnect`.
    let closing = matches!(unread, Unread::Nothing).then(|| gateway.closing.token());
    gateway.connections.remove(&connection.id);
    connection.close(status.clone());
    let Ok(Ok(sink)) = tokio::time::timeout(CLOSE_TIMEOUT, &mut writer).await else {
        // The client no longer reads. Aborting the writer and dropping the stream closes the TCP connection.
        writer.abort();
        return (status, closing);
    };
    let drain = async {
        match unread {
            Unread::Nothing | Unread::Frames => while let Some(Ok(_)) = stream.next().await {},
            // Discards data that is not valid as frames: closing a TCP socket with unread data resets it, and
            // the client might not receive the close frame.
            Unread::Bytes => {
                let Ok(mut socket) = stream.reunite(sink) else {
                    return;
                };
                let mut buffer = vec![0; MAX_FRAME_SIZE];
                while let Ok(1..) = socket.get_mut().read(&mut buffer).await {}
            }
        }
    };
    tokio::time::timeout(CLOSE_TIMEOUT, drain).await.ok();
    (status, closing)
}

/// What a client may still send on a closing connection.
enum Unread {
    /// Nothing: the client has closed the connection.
    Nothing,
    /// Frames up to the client's close frame.
    Frames,
    /// Any bytes, because the frames were invalid.
    Bytes,
}

/// Processes frames until the connection closes.
async fn read(
    gateway: &Arc<SocketGateway>,
    connection: &Arc<Connection>,
    stream: &mut SplitStream<Socket>,
) -> (CloseStatus, Unread) {
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_FRAMES));
    let expired = wait_until_expired(gateway, connection);
    tokio::pin!(expired);
    loop {
        let draining = gateway.draining.is_cancelled();
        let next = async {
            // Without a free permit, nothing is read, and TCP flow control slows the client down.
            let permit = Arc::clone(&permits).acquire_owned().await;
            (stream.next().await, permit)
        };
        let (frame, permit) = tokio::select! {
            status = connection.closing() => return (status, Unread::Frames),
            status = &mut expired => return (status, Unread::Frames),
            () = gateway.draining.cancelled(), if !draining => continue,
            frame = next, if !draining => frame,
        };
        connection.touch();
        match frame {
            Some(Ok(Message::Text(text))) => {
                let (gateway, connection) = (Arc::clone(gateway), Arc::clone(connection));
                let tracker = gateway.sessions.clone();
                tracker.spawn(async move {
                    process_frame(&gateway, &connection, text.as_str()).await;
                    drop(permit);
                });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                return (CloseStatus::new(1003, "Binary frames are not supported"), Unread::Frames);
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                return (CloseStatus::new(frame.code.into(), frame.reason.as_str()), Unread::Nothing);
            }
            Some(Ok(Message::Close(None))) => {
                return (CloseStatus::new(1005, "Client-side close frame status not set"), Unread::Nothing);
            }
            Some(Err(Error::Capacity(_))) => {
                return (CloseStatus::new(1009, "Frame is too large"), Unread::Bytes);
            }
            Some(Err(Error::Utf8(_))) => return (CloseStatus::new(1007, "Text is not UTF-8"), Unread::Bytes),
            Some(Err(Error::Protocol(error))) if error != ProtocolError::ResetWithoutClosingHandshake => {
                return (CloseStatus::new(1002, "Protocol error"), Unread::Bytes);
            }
            Some(Err(_)) | None => return (CloseStatus::new(1006, ""), Unread::Bytes),
        }
    }
}

/// Returns once the connection exceeds its idle timeout or its maximum duration.
async fn wait_until_expired(gateway: &SocketGateway, connection: &Connection) -> CloseStatus {
    let end = connection.opened.after(MAX_CONNECTION_DURATION);
    loop {
        let idle = connection.last_active().0.after(IDLE_TIMEOUT);
        let now = gateway.clock.now();
        if now >= end || now >= idle {
            return CloseStatus::new(1001, "Going away");
        }
        gateway.clock.sleep_until(end.min(idle)).await;
    }
}

async fn process_frame(gateway: &SocketGateway, connection: &Connection, text: &str) {
    let request_id = Uuid::new_v4().to_string();
    let Some(route) = gateway.select(text) else {
        return gateway.send_error(connection, "Forbidden", &request_id).await;
    };
    let started = gateway.clock.now();
    let event = gateway.endpoint.message_event(connection, route, text, &request_id);
    let result = gateway.invoke(route, &event).await;
    let duration = gateway.clock.now().since(started).as_millis();
    if matches!(result, Some(Ok(_))) {
        tracing::debug!(target: "websocket", "{} {route} succeeded in {duration} ms", connection.id);
    } else {
        tracing::warn!(target: "websocket", request_id, "{} {route} failed in {duration} ms", connection.id);
        gateway.send_error(connection, "Internal server error", &request_id).await;
    }
}

/// Writes messages until the connection closes, then the queued messages and the close frame.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut messages: mpsc::Receiver<String>,
    connection: Arc<Connection>,
) -> SplitSink<Socket, Message> {
    let status = loop {
        tokio::select! {
            status = connection.closing() => break status,
            Some(message) = messages.recv() => {
                if send(&mut sink, message).await.is_err() {
                    connection.close(CloseStatus::new(1006, ""));
                }
            }
        }
    };
    messages.close();
    while let Ok(message) = messages.try_recv() {
        if send(&mut sink, message).await.is_err() {
            return sink;
        }
    }
    // RFC 6455, section 7.4.1: 1005 and 1006 mean that there is no close frame, and are never sent.
    if !matches!(status.code, 1005 | 1006) {
        let frame = CloseFrame { code: CloseCode::from(status.code), reason: status.reason.as_str().into() };
        // Fails if the client has already closed or disconnected.
        sink.send(Message::Close(Some(frame))).await.ok();
    }
    sink
}

/// Sends one message in frames of at most [`MAX_FRAME_SIZE`].
async fn send(sink: &mut SplitSink<Socket, Message>, message: String) -> Result<(), Error> {
    if message.len() <= MAX_FRAME_SIZE {
        return sink.send(Message::Text(message.into())).await;
    }
    let mut remaining = Bytes::from(message);
    let mut kind = Data::Text;
    while !remaining.is_empty() {
        let part = remaining.split_to(remaining.len().min(MAX_FRAME_SIZE));
        sink.feed(Message::Frame(Frame::message(part, OpCode::Data(kind), remaining.is_empty()))).await?;
        kind = Data::Continue;
    }
    sink.flush().await
}
