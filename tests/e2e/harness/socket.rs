//! A client's end of a WebSocket.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{PATIENCE, contract::frames::FRAMES};

/// A live socket. What comes is held against the contract, and so is what was sent if it was taken.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last frame of each type that was sent.
    sent: BTreeMap<String, Value>,
    /// The names of the frames that have come, or were sent and taken as far as one can see.
    pub exercised: BTreeSet<String>,
    is_open: bool,
}

impl Socket {
    /// Connects, or says with which status it was refused.
    pub async fn connect(url: &str, bearer: Option<&str>) -> Result<Self, u16> {
        let mut request = url.into_client_request().unwrap();
        if let Some(token) = bearer {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self::of(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Connects where that may fail in any way.
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
                    other => panic!("no frame but {other:?}"),
                }
            }
        });
        let frame = frame.await.expect("a frame in time");
        self.check(&frame);
        frame
    }

    /// Sends a frame on a connection that may have ended; `None` if it has.
    pub async fn try_send(&mut self, kind: &str, data: Value) -> Option<()> {
        let frame = json!({"type": kind, "data": data}).to_string();
        self.is_open &= self.stream.send(Message::text(frame)).await.is_ok();
        self.is_open.then_some(())
    }

    /// The next frame of a connection that may end, if one comes in this time.
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

    /// Whether it has not ended, as far as was noticed.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    fn check(&mut self, frame: &Value) {
        let name = FRAMES.check_received(frame);
        // An answer is to the last frame of its kind, as long as nobody sends the next one before it has come.
        if let Some(kind) = FRAMES.answered_by(&name)
            && let Some(sent) = self.sent.get(kind).filter(|sent| sent.get("ref") == frame.get("ref"))
        {
            FRAMES.check(kind, sent);
            self.exercised.insert(kind.to_owned());
        }
        self.exercised.insert(name);
    }

    /// The next frame, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Makes sure that nothing else was on its way: an answered ping is the very next frame.
    pub async fn expect_nothing_more(&mut self) {
        self.send("ping", json!({"timestamp": "nothing more"})).await;
        assert_eq!(self.expect("pong").await["data"], json!({"timestamp": "nothing more"}));
    }

    /// The close code with which the other end ends it.
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

    /// Ends it in order.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream.into_inner());
    }
}

/// The data of the next frame at each of some devices, which must be of this type.
pub async fn next_on_each<const N: usize>(devices: [&mut Socket; N], kind: &str) -> [Value; N] {
    let mut heard = Vec::new();
    for device in devices {
        heard.push(device.expect(kind).await["data"].take());
    }
    heard.try_into().unwrap_or_else(|_| unreachable!("one of each device"))
}
