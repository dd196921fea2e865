//! A terminal client of the WebSocket API: sends each line of the standard input as a frame, and prints each
//! received frame.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An open connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The longest that a handshake takes: both gateways end it earlier.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_mins(1);

/// A token in a header of the handshake, which is not limited as the URL is.
#[derive(Clone, Copy)]
pub enum Token<'a> {
    /// `Authorization`.
    Header(&'a str),
    /// `Sec-WebSocket-Protocol`, as browsers send it. The gateway must select the other subprotocol.
    Subprotocol(&'a str),
}

/// Connects.
///
/// # Errors
/// A sentence that explains why there is no connection.
pub async fn connect(url: &str, token: Option<Token<'_>>) -> Result<Socket> {
    let mut request = url.into_client_request().with_context(|| format!("{url} is no WebSocket URL"))?;
    let header = token.map(|token| match token {
        Token::Header(token) => (header::AUTHORIZATION, format!("Bearer {token}")),
        Token::Subprotocol(token) => (header::SEC_WEBSOCKET_PROTOCOL, format!("athlytiq.v1, bearer.{token}")),
    });
    if let Some((name, value)) = header {
        let value = HeaderValue::try_from(value).context("the token is not ASCII")?;
        request.headers_mut().insert(name, value);
    }
    let connecting = tokio::time::timeout(HANDSHAKE_TIMEOUT, connect_async(request));
    match connecting.await.map_err(|_| anyhow!("{url} does not answer"))? {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            bail!("the handshake is rejected with {}: {body}", response.status().as_u16())
        }
        Err(error) => Err(error).with_context(|| format!("cannot connect to {url}")),
    }
}

/// Runs the client until the standard input or the connection ends.
pub async fn run(url: &str, token: &str) -> Result<()> {
    let socket = connect(url, Some(Token::Header(token))).await?;
    eprintln!("Connected. Type a frame such as {{\"type\": \"hello\"}}, or press Ctrl-D to end.");
    let (mut sink, mut stream) = socket.split();
    let mut lines = typed_lines();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => sink.send(Message::text(line.trim())).await.context("the connection has ended")?,
                None => {
                    sink.close().await.ok();
                    return Ok(());
                }
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => println!("{text}"),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    bail!("the server has closed the connection with {code}");
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("the connection has ended"),
                None => bail!("the connection has ended"),
            },
        }
    }
}

/// The lines of the standard input. A thread reads them, and ends with the process at the latest.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
