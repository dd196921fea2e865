//! The client side of a WebSocket.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderName, header::SEC_WEBSOCKET_PROTOCOL},
    },
};

use super::{PATIENCE, contract::frames::FRAMES};

/// An open socket. Received frames and accepted sent frames are checked against the contract.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last sent frame of each type.
    sent: BTreeMap<String, Value>,
    /// The names of the frames that were received, or sent and accepted as far as the client can tell.
    pub exercised: BTreeSet<String>,
    is_open: bool,
}

impl Socket {
    /// Connects, or returns the status that rejects the handshake.
    pub async fn connect(url: &str, bearer: Option<&str>) -> Result<Self, u16> {
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        Self::handshake(url, &headers).await.map(|(socket, _)| socket)
    }

    /// Connects with these headers. Returns the socket and the selected subprotocol, or the status that rejects
    /// the handshake.
    pub async fn handshake(url: &str, headers: &[(&str, &str)]) -> Result<(Self, Option<String>), u16> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, response)) => {
                let selected = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
                let selected = selected.map(|selected| selected.to_str().unwrap().to_owned());
                Ok((Self::of(stream), selected))
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Connects, or returns `None` on any failure.
    pub async fn reach(url: &str) -> Option<Self> {
        connect_async(url).await.ok().map(|(stream, _)| Self::of(stream))
    }

    fn of(stream: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self { stream, sent: BTreeMap::new(), exercised: BTreeSet::new(), is_open: true }
    }

    pub async fn send(&mut self, kind: &str, data: Value) {
        self.send_text(&json!({"type": kind, "data": data}).to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        if let Ok(frame) = serde_json::from_str::<Value>(text)
            && let Some(kind) = frame["type"].as_str().map(str::to_owned)
        {
            if FRAMES.is_silent(&kind) && FRAMES.is_valid(&kind, &frame) {
                self.exercised.insert(kind.clone());
            }
            self.sent.insert(kind, frame);
        }
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        let frame = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("expected a frame, got {other:?}"),
                }
            }
        });
        let frame = frame.await.expect("a frame in time");
        self.check(&frame);
        frame
    }

    /// Sends a frame on a connection that may have ended. Returns `None` if it has.
    pub async fn try_send(&mut self, kind: &str, data: Value) -> Option<()> {
        let frame = json!({"type": kind, "data": data}).to_string();
        self.is_open &= self.stream.send(Message::text(frame)).await.is_ok();
        self.is_open.then_some(())
    }

    /// The next frame of a connection that may end, if one arrives within `wait`.
    pub async fn next_within(&mut self, wait: Duration) -> Option<Value> {
        let next = async {
            loop {
                match self.stream.next().await? {
                    Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                    Ok(Message::Ping(_) | Message::Pong(_)) => {}
                    _ => return None,
                }
            }
        };
        let frame: Option<Value> = match tokio::time::timeout(wait, next).await {
            Ok(None) => {
                self.is_open = false;
                None
            }
            Ok(frame) => frame,
            Err(_) => None,
        };
        frame.inspect(|frame| drop(FRAMES.check_received(frame)))
    }

    /// Whether no call has noticed the end of the connection yet.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    fn check(&mut self, frame: &Value) {
        let name = FRAMES.check_received(frame);
        // Tests await each answer before the next frame of a type, so an answer belongs to the last one sent.
        if let Some(kind) = FRAMES.answered_by(&name)
            && let Some(sent) = self.sent.get(kind).filter(|sent| sent.get("ref") == frame.get("ref"))
        {
            FRAMES.check(kind, sent);
            self.exercised.insert(kind.to_owned());
        }
        self.exercised.insert(name);
    }

    /// The next frame. Asserts its type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Asserts that no other frame is pending: the answer to a ping is the next frame.
    pub async fn expect_nothing_more(&mut self) {
        self.send("ping", json!({"timestamp": "nothing more"})).await;
        assert_eq!(self.expect("pong").await["data"], json!({"timestamp": "nothing more"}));
    }

    /// Waits until the server closes the connection and returns the close code.
    pub async fn closed(&mut self) -> u16 {
        let code = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                    Some(Ok(_)) => {}
                    other => panic!("ended without a close frame: {other:?}"),
                }
            }
        });
        code.await.expect("a close in time")
    }

    /// Closes the connection with a closing handshake.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    /// Drops the connection without a closing handshake.
    pub fn cut(self) {
        drop(self.stream.into_inner());
    }
}

/// The data of the next frame of each device. Asserts the type of each.
pub async fn next_on_each<const N: usize>(devices: [&mut Socket; N], kind: &str) -> [Value; N] {
    let mut frames = Vec::new();
    for device in devices {
        frames.push(device.expect(kind).await["data"].take());
    }
    frames.try_into().unwrap_or_else(|_| unreachable!("one frame per device"))
}
