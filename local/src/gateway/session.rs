//! One open WebSocket: frames in, messages out, and every way in which it ends.
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
use uuid::Uuid;

use super::connections::{Closing, Connection};
use super::websocket::SocketGateway;

const FRAME_LIMIT: usize = 32 * 1024;
const MESSAGE_LIMIT: usize = 128 * 1024;
const IDLE_LIMIT: Duration = Duration::from_mins(10);
const LIFE_LIMIT: Duration = Duration::from_hours(2);
/// How many frames of one connection run at once; the next ones are read later.
const FRAMES_AT_ONCE: usize = 16;
/// How long a closing connection may take for what is left: queued messages, and the client's own close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Serves a connection until it ends, and then runs `$disconnect`.
pub async fn run(
    gateway: Arc<SocketGateway>,
    connection: Arc<Connection>,
    messages: mpsc::Receiver<String>,
    upgrade: OnUpgrade,
) {
    let ended = match upgrade.await {
        Ok(upgraded) => {
            let config = WebSocketConfig::default()
                .read_buffer_size(FRAME_LIMIT)
                .max_frame_size(Some(FRAME_LIMIT))
                .max_message_size(Some(MESSAGE_LIMIT));
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            converse(&gateway, &connection, messages, socket).await
        }
        Err(_) => Closing::new(1006, ""),
    };
    gateway.connections.remove(&connection.id);
    connection.close(ended.clone());
    tracing::info!(target: "websocket", "{} closed with {}", connection.id, ended.code);
    if gateway.api.routes.contains_key("$disconnect") {
        let event = gateway.place.disconnect(&connection, &ended, &Uuid::new_v4().to_string());
        // Best effort, as on AWS; a failure is in the log already.
        gateway.invoke("$disconnect", &event).await;
    }
}

async fn converse(
    gateway: &Arc<SocketGateway>,
    connection: &Arc<Connection>,
    messages: mpsc::Receiver<String>,
    socket: Socket,
) -> Closing {
    let (sink, mut stream) = socket.split();
    let mut writer = tokio::spawn(write(sink, messages, Arc::clone(connection)));
    let (ended, rest) = read(gateway, connection, &mut stream).await;
    gateway.connections.remove(&connection.id);
    connection.close(ended.clone());
    let Ok(Ok(sink)) = tokio::time::timeout(CLOSE_PATIENCE, &mut writer).await else {
        // The client reads nothing any more. Ending the writer and dropping the stream cuts the connection.
        writer.abort();
        return ended;
    };
    let finish = async {
        match rest {
            Rest::Frames => while let Some(Ok(_)) = stream.next().await {},
            // What has come in cannot be read as frames. It is read all the same: closing a socket with unread data
            // resets it, and the client might never see the close frame.
            Rest::Bytes => {
                let Ok(mut socket) = stream.reunite(sink) else {
                    return;
                };
                let mut scratch = vec![0; FRAME_LIMIT];
                while let Ok(1..) = socket.get_mut().read(&mut scratch).await {}
            }
        }
    };
    tokio::time::timeout(CLOSE_PATIENCE, finish).await.ok();
    ended
}

/// What may still come in on a connection that ends.
enum Rest {
    /// Frames; the last one is the client's close frame.
    Frames,
    /// Anything.
    Bytes,
}

/// Takes frames until the connection ends, and says how.
async fn read(
    gateway: &Arc<SocketGateway>,
    connection: &Arc<Connection>,
    stream: &mut SplitStream<Socket>,
) -> (Closing, Rest) {
    let turns = Arc::new(Semaphore::new(FRAMES_AT_ONCE));
    let limits = limits(gateway, connection);
    tokio::pin!(limits);
    loop {
        let draining = gateway.draining.is_cancelled();
        let next = async {
            // A turn first: while all are taken, nothing is read, and the client is slowed down by its own socket.
            let turn = Arc::clone(&turns).acquire_owned().await;
            (stream.next().await, turn)
        };
        let (frame, turn) = tokio::select! {
            closing = connection.closing() => return (closing, Rest::Frames),
            closing = &mut limits => return (closing, Rest::Frames),
            () = gateway.draining.cancelled(), if !draining => continue,
            frame = next, if !draining => frame,
        };
        connection.touch();
        match frame {
            Some(Ok(Message::Text(text))) => {
                let (gateway, connection) = (Arc::clone(gateway), Arc::clone(connection));
                let tracker = gateway.sessions.clone();
                tracker.spawn(async move {
                    take_frame(&gateway, &connection, text.as_str()).await;
                    drop(turn);
                });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                return (Closing::new(1003, "Binary frames are not supported"), Rest::Frames);
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                return (Closing::new(frame.code.into(), frame.reason.as_str()), Rest::Frames);
            }
            Some(Ok(Message::Close(None))) => {
                return (Closing::new(1005, "Client-side close frame status not set"), Rest::Frames);
            }
            Some(Err(Error::Capacity(_))) => return (Closing::new(1009, "Frame is too large"), Rest::Bytes),
            Some(Err(Error::Utf8(_))) => return (Closing::new(1007, "Text is not UTF-8"), Rest::Bytes),
            Some(Err(Error::Protocol(error))) if error != ProtocolError::ResetWithoutClosingHandshake => {
                return (Closing::new(1002, "Protocol error"), Rest::Bytes);
            }
            Some(Err(_)) | None => return (Closing::new(1006, ""), Rest::Bytes),
        }
    }
}

/// Returns when the connection has been idle for too long, or is too old.
async fn limits(gateway: &SocketGateway, connection: &Connection) -> Closing {
    let end = connection.opened.after(LIFE_LIMIT);
    loop {
        let idle = connection.last_active().0.after(IDLE_LIMIT);
        let now = gateway.clock.now();
        if now >= end || now >= idle {
            return Closing::new(1001, "Going away");
        }
        gateway.clock.sleep_until(end.min(idle)).await;
    }
}

async fn take_frame(gateway: &SocketGateway, connection: &Connection, text: &str) {
    let request_id = Uuid::new_v4().to_string();
    let Some(route) = gateway.select(text) else {
        return gateway.send_error(connection, "Forbidden", &request_id).await;
    };
    let started = gateway.clock.now();
    let event = gateway.place.message(connection, route, text, &request_id);
    let outcome = gateway.invoke(route, &event).await;
    let took = gateway.clock.now().since(started).as_millis();
    if matches!(outcome, Some(Ok(_))) {
        tracing::debug!(target: "websocket", "{} {route} done in {took} ms", connection.id);
    } else {
        tracing::warn!(target: "websocket", request_id, "{} {route} failed in {took} ms", connection.id);
        gateway.send_error(connection, "Internal server error", &request_id).await;
    }
}

/// Writes messages until the connection closes, then what is still queued, then the close frame.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut messages: mpsc::Receiver<String>,
    connection: Arc<Connection>,
) -> SplitSink<Socket, Message> {
    let closing = loop {
        tokio::select! {
            closing = connection.closing() => break closing,
            Some(message) = messages.recv() => {
                if send(&mut sink, message).await.is_err() {
                    connection.close(Closing::new(1006, ""));
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
    // 1005 and 1006 stand for the absence of a close frame and are never sent.
    if !matches!(closing.code, 1005 | 1006) {
        let frame =
            CloseFrame { code: CloseCode::from(closing.code), reason: closing.reason.as_str().into() };
        // It fails if the client has closed or is gone, and then there is nobody to tell.
        sink.send(Message::Close(Some(frame))).await.ok();
    }
    sink
}

/// Sends one message, in frames of at most 32 KB.
async fn send(sink: &mut SplitSink<Socket, Message>, message: String) -> Result<(), Error> {
    if message.len() <= FRAME_LIMIT {
        return sink.send(Message::Text(message.into())).await;
    }
    let mut rest = Bytes::from(message);
    let mut kind = Data::Text;
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(FRAME_LIMIT));
        sink.feed(Message::Frame(Frame::message(part, OpCode::Data(kind), rest.is_empty()))).await?;
        kind = Data::Continue;
    }
    sink.flush().await
}
