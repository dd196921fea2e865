//! Protects every port of the stack from web pages in the developer's browser.
//!
//! A page of any site can send requests to this machine, and with DNS rebinding also read the responses: its
//! own host name then resolves to this machine. Such a request names the page's site in `Host` or in `Origin`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::{Connected, IntoMakeServiceWithConnectInfo};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::serve::{IncomingStream, Listener};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

/// The address at which the Android emulator reaches the loopback interface of its host.
const EMULATOR_HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The addresses of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The address of the client.
    pub peer: SocketAddr,
    /// The address at which the client has reached the stack.
    pub local: SocketAddr,
}

impl Connected<IncomingStream<'_, Port>> for Ends {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        let peer = *stream.remote_addr();
        // Fails only for a closed connection. An unspecified address matches no host.
        let local = stream.io().local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Self { peer, local }
    }
}

/// A listener for a [`service`].
#[derive(Debug)]
pub struct Port(pub TcpListener);

impl Listener for Port {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // Small consecutive writes do not wait for acknowledgements (Nagle's algorithm).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        (stream, peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The service of a port: rejects requests of other sites before `router` receives them. Pages of `origins`
/// are accepted in addition to pages of this machine.
pub fn service(router: Router, origins: &[String]) -> IntoMakeServiceWithConnectInfo<Router, Ends> {
    let origins: Arc<[String]> = origins.into();
    router.layer(from_fn_with_state(origins, check)).into_make_service_with_connect_info()
}

async fn check(
    State(origins): State<Arc<[String]>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let local = ends.local.ip();
    if !is_own_host(request.uri(), request.headers(), local) {
        return refusal(
            "The local stack accepts only requests whose Host is localhost or the IP address that it is reached at, \
             because a web page could use another name to read its data through a browser.",
        );
    }
    let is_accepted = |origin: &HeaderValue| {
        is_own_origin(origin, local)
            || origins.iter().any(|accepted| accepted.as_bytes() == origin.as_bytes())
    };
    if !request.headers().get_all(header::ORIGIN).iter().all(is_accepted) {
        return refusal(
            "The local stack accepts no requests from web pages of other sites. Pages of localhost may call it, \
             and pages of the origins in the template parameter AllowedOrigins may call the HTTP API.",
        );
    }
    next.run(request).await
}

/// Whether a request comes from this machine and from no page of another site, for what only the developer
/// may do.
pub fn is_from_this_machine(ends: Ends, headers: &HeaderMap) -> bool {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    ends.peer.ip().to_canonical().is_loopback()
        && headers.get(header::HOST).is_some_and(|host| names(host, loopback))
        && headers.get_all(header::ORIGIN).iter().all(|origin| is_own_origin(origin, loopback))
}

/// A response to a request that the stack refuses.
pub fn refusal(message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether an `Origin` is a page of this machine, on any port.
pub fn is_own_origin(origin: &HeaderValue, local: IpAddr) -> bool {
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| is_own(host, local))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    })
}

/// Whether a request has exactly one `Host`, and names this machine in it and in an absolute URI.
fn is_own_host(uri: &Uri, headers: &HeaderMap, local: IpAddr) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_own_header = hosts.next().is_some_and(|host| names(host, local)) && hosts.next().is_none();
    is_own_header && uri.host().is_none_or(|host| is_own(host, local))
}

/// Whether a `Host` header names this machine.
fn names(host: &HeaderValue, local: IpAddr) -> bool {
    let authority = host.to_str().ok().and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@') && is_own(authority.host(), local))
}

/// Whether a host is loopback or `local`, the address that the stack is reached at.
fn is_own(host: &str, local: IpAddr) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip == EMULATOR_HOST || (ip == local.to_canonical() && !ip.is_unspecified())
        })
}

/// The address for clients on this machine: loopback if the stack listens on all interfaces.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// The addresses of this machine in the networks that it is connected to: the ones that it sends from.
pub fn network_addresses() -> Vec<IpAddr> {
    // Connecting a UDP socket sends nothing. The targets are documentation addresses (RFC 5737, RFC 3849).
    let sent_from = |any: &str, target: &str| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let addresses = [sent_from("0.0.0.0:0", "192.0.2.1:9"), sent_from("[::]:0", "[2001:db8::1]:9")];
    addresses.into_iter().flatten().filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: &str = "192.168.1.5";

    fn host(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::HOST, value.parse().unwrap());
        }
        is_own_host(&Uri::from_static("/"), &headers, LAN.parse().unwrap())
    }

    #[test]
    fn only_hosts_of_this_machine_are_accepted() {
        let own = ["localhost", "LocalHost:3000", "127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "[::1]:3000"];
        for accepted in own.into_iter().chain(["192.168.1.5:3000", "10.0.2.2:3000"]) {
            assert!(host(&[accepted]), "{accepted}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:3000",
            "192.168.1.6",
            "0.0.0.0:3000",
            "",
            ":3000",
            "localhost@evil.example",
            "evil.example@localhost",
            "local host",
            "[::2]",
        ] {
            assert!(!host(&[foreign]), "{foreign}");
        }
        assert!(!host(&[]) && !host(&["localhost", "evil.example"]) && !host(&["localhost", "localhost"]));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let local = LAN.parse().unwrap();
        assert!(!is_own_host(&Uri::from_static("http://evil.example/"), &headers, local));
        assert!(is_own_host(&Uri::from_static("http://localhost/"), &headers, local));
    }

    #[test]
    fn only_origins_of_this_machine_are_its_own() {
        let own = |origin: &str| is_own_origin(&origin.parse().unwrap(), LAN.parse().unwrap());
        for accepted in ["http://localhost:5173", "https://localhost", "http://127.0.0.1:1", "http://[::1]:2"]
        {
            assert!(own(accepted), "{accepted}");
        }
        assert!(own("http://192.168.1.5:5173"));
        for foreign in [
            "null",
            "",
            "https://evil.example",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://evil.example@localhost",
            "file://",
            "http://192.168.1.6",
            "ftp://localhost",
            "localhost",
        ] {
            assert!(!own(foreign), "{foreign}");
        }
    }

    #[test]
    fn tokens_are_only_for_this_machine() {
        let from = |peer: &str, host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
            let ends = Ends {
                peer: SocketAddr::new(peer.parse().unwrap(), 9),
                local: SocketAddr::new(LAN.parse().unwrap(), 3000),
            };
            is_from_this_machine(ends, &headers)
        };
        assert!(from("127.0.0.1", "localhost:3000", None));
        assert!(from("::ffff:127.0.0.1", "127.0.0.1:3000", Some("http://localhost:5173")));
        assert!(!from("192.168.1.7", "127.0.0.1:3000", None));
        assert!(!from("127.0.0.1", "192.168.1.5:3000", None));
        assert!(!from("127.0.0.1", "localhost:3000", Some("https://app.example")));
    }

    #[test]
    fn a_stack_on_all_interfaces_is_reached_at_loopback() {
        for (listening, reached) in
            [("0.0.0.0:3000", "127.0.0.1:3000"), ("[::]:1", "[::1]:1"), ("192.168.1.5:1", "192.168.1.5:1")]
        {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
