//! The WebSocket API: parameters that endpoints extract from calls, and replies.
//!
//! The authorizer verifies the token in `$connect`; the gateway adds the authorizer's context to each later
//! call. Replies and errors are posted to the connection.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

use crate::{
    App, BestEffort, Error, Result,
    clock::Timestamp,
    domain::users::{presence::Connection, rate_limit::RateLimitedAction},
    id::{ConnectionId, UserId},
    push::Origin,
    serve::{Endpoint, Fatal, FromCall, authorizer, events::SocketEvent, handshake, log_answered, measured},
    wire::{
        fields::{Fields, Input},
        json::{Echo, Object, find_member, object},
        problem::Problem,
        socket::{Event, Frame},
    },
};

/// The member of a frame that replies repeat.
const REFERENCE: &str = "ref";

/// The maximum length of a `ref`, in bytes. Replies to frames with a longer one have no `ref`.
const MAX_REFERENCE_BYTES: usize = 128;

/// The maximum length of a connection id, in bytes. The gateway's have 16, and they are part of a key.
const MAX_CONNECTION_ID_BYTES: usize = 256;

/// A call of the WebSocket API.
pub struct SocketCall {
    event: SocketEvent,
    frame: Option<Object>,
    reference: Option<Echo>,
}

/// The return type of WebSocket endpoints: the reply to post to the connection, if any.
pub type SocketReply = Result<Option<Event>>;

/// Runs an endpoint of the WebSocket API until the process ends.
pub async fn serve<A, E>(endpoint: E) -> Result<(), Fatal>
where
    A: 'static,
    E: Endpoint<SocketCall, A, Reply = Option<Event>>,
{
    super::log::init();
    let app = App::from_env().await?;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<SocketEvent>| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        async move { Ok::<_, Fatal>(answer(&app, &endpoint, event.payload, &event.context.request_id).await) }
    }))
    .await
}

/// Handles a call. The returned value is for the gateway; replies and errors are posted to the client.
pub async fn answer<A, E>(app: &App, endpoint: &E, event: SocketEvent, request_id: &str) -> Value
where
    E: Endpoint<SocketCall, A, Reply = Option<Event>>,
{
    let call = SocketCall::new(event);
    let time = call.event.request_context.request_time_epoch.and_then(Timestamp::from_epoch);
    let app = &app.at(time);
    // Boxed, because the compiler limits how deeply futures nest.
    let must_close = Box::pin(call.must_close(app));
    let handled = async { futures::join!(endpoint.run(app, &call), must_close) };
    let ((outcome, must_close), measured) = measured(handled).await;
    let status = match &outcome {
        Ok(_) => 200,
        Err(error) => Problem::of(error, request_id).status,
    };
    let route = call.event.request_context.route_key.as_deref().unwrap_or_default();
    log_answered!(outcome.as_ref().err(), measured, route, status, request_id);
    if call.has_open_connection() {
        Box::pin(call.post(app, outcome, must_close, request_id)).await.can_fail("reply to a connection");
    }
    // `$connect` is rejected by the status. A rejected frame has its error reply; the gateway would count
    // another status as a failure of the integration.
    let is_rejected_frame = call.has_open_connection() && status < 500;
    let mut response = json!({ "statusCode": if is_rejected_frame { 200 } else { status } });
    if status == 200
        && let Ok(Some(subprotocol)) = call.subprotocol()
    {
        response["headers"] = json!({ "Sec-WebSocket-Protocol": subprotocol });
    }
    response
}

impl SocketCall {
    fn new(event: SocketEvent) -> Self {
        let body = event.body.as_deref().unwrap_or_default();
        let frame = object(body);
        let reference = match &frame {
            Some(frame) => frame.get(REFERENCE).cloned(),
            // The sender waits for an answer to this `ref`, also if the rest of the frame cannot be read.
            None => find_member(body, REFERENCE),
        };
        let reference = reference.and_then(Echo::new).filter(|echo| echo.size() <= MAX_REFERENCE_BYTES);
        Self { event, frame, reference }
    }

    /// During `$connect` and `$disconnect`, frames cannot be posted to the connection.
    fn has_open_connection(&self) -> bool {
        self.event.request_context.event_type.as_deref() == Some("MESSAGE")
    }

    /// The subprotocol to select for a new connection.
    fn subprotocol(&self) -> Result<Option<&'static str>> {
        handshake::select_subprotocol(self.event.multi_value_headers.as_ref())
    }

    /// The members of the frame, if it is a JSON object.
    fn members(&self) -> Result<&Object> {
        self.frame.as_ref().ok_or(Error::MalformedJson)
    }

    fn authorizer_field(&self, field: &str) -> Result<&str> {
        let fields = self.event.request_context.authorizer.as_ref();
        let field = fields.and_then(|fields| fields.get(field)?.as_str());
        field.ok_or(Error::InvalidToken("no authorizer context"))
    }

    /// The connection and its user from the authorizer context. The token may have expired.
    fn connection(&self, now: Timestamp) -> Result<Connection> {
        let user_id = self.authorizer_field(authorizer::USER_ID)?;
        let user_id = user_id.parse().map_err(|_| Error::InvalidToken("no authorizer context"))?;
        let id = self.event.request_context.connection_id.clone();
        let id = id.filter(|id| (1..=MAX_CONNECTION_ID_BYTES).contains(&id.len()));
        let id = id.ok_or(Error::InvalidToken("no connection id"))?;
        let device_id = self.authorizer_field(authorizer::DEVICE_ID).ok().and_then(|id| id.parse().ok());
        Ok(Connection { user_id, id: ConnectionId(id), since: now, device_id })
    }

    /// Whether the connection is not registered, and so receives no pushes. Its client must reconnect.
    async fn must_close(&self, app: &App) -> bool {
        let Ok(connection) = self.connection(app.now()) else { return false };
        if !self.has_open_connection() {
            return false;
        }
        let is_registered = app.is_registered(&connection).await;
        !is_registered.unwrap_or_else(|error| {
            Err::<(), _>(error).can_fail("looking up a connection");
            true
        })
    }

    /// Posts the reply or error, and closes a connection that must not send further frames.
    async fn post(&self, app: &App, outcome: SocketReply, must_close: bool, request_id: &str) -> Result<()> {
        let now = app.now();
        let connection = self.connection(now)?;
        let problem = outcome.as_ref().err().map(|error| Problem::of(error, request_id));
        let must_close = must_close
            || match &outcome {
                Err(Error::TokenExpired | Error::InvalidToken(_)) => true,
                // A refused frame is served and paid like any other, and may count against no other limit.
                Err(_) if problem.as_ref().is_some_and(|problem| problem.status < 500) => {
                    let refusal = app.check_rate_limit(connection.user_id, RateLimitedAction::Refusals).await;
                    matches!(refusal, Err(Error::RateLimited { .. }))
                }
                _ => false,
            };
        let error = problem.map(|problem| {
            let Problem { code, detail: message, retry_after, .. } = problem;
            Event::Error { code, message, retry_after }
        });
        let event = error.or_else(|| outcome.ok().flatten());
        if let Some(event) = &event {
            let frame = Frame { event, reference: self.reference.as_ref() };
            app.push.answer(&connection, &frame, now).await?;
        }
        if must_close {
            app.push.close(&connection.id).await?;
        }
        Ok(())
    }
}

/// The caller: a connection whose token has not expired.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub id: UserId,
    /// The connection of the call.
    pub connection: Connection,
    /// When the token expires, in Unix seconds.
    pub token_expires: i64,
}

impl FromCall<SocketCall> for Caller {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let expires = call.authorizer_field(authorizer::EXPIRES)?.parse();
        let token_expires = expires.map_err(|_| Error::InvalidToken("no authorizer context"))?;
        if app.now().seconds() >= token_expires {
            return Err(Error::TokenExpired);
        }
        let connection = call.connection(app.now())?;
        Ok(Self { id: connection.user_id, connection, token_expires })
    }
}

/// A connection that has ended. Its token may have expired.
pub struct EndedConnection(pub Connection);

impl FromCall<SocketCall> for EndedConnection {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        call.connection(app.now()).map(Self)
    }
}

impl FromCall<SocketCall> for Origin {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        Ok(Self { connection: call.connection(app.now())?, reference: call.reference.clone() })
    }
}

/// The identity of a new connection with a supported subprotocol, and the profile claims for a new account.
pub struct ConnectIdentity(pub crate::auth::Identity);

impl FromCall<SocketCall> for ConnectIdentity {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let caller = Caller::from_call(app, call).await?;
        call.subprotocol()?;
        let text = |field: &str| call.authorizer_field(field).ok().and_then(authorizer::decoded);
        Ok(Self(authorizer::identity(caller.id, caller.token_expires, text)))
    }
}

/// The data of the frame. Absent data is an empty object.
pub struct Data<T>(pub T);

impl<T: Input> FromCall<SocketCall> for Data<T> {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let data = call.members()?.get("data").map(|data| data.get());
        let read = |values: Object| Fields::of_json(values, &app.config).read().map(Self);
        match data {
            None | Some("null") => read(Object::new()).map_err(|_| Error::invalid("data", "is required")),
            Some(data) => read(object(data).ok_or(Error::invalid("data", "must be an object"))?),
        }
    }
}

/// Any well-formed frame, for the endpoint of unknown types.
pub struct AnyFrame;

impl FromCall<SocketCall> for AnyFrame {
    async fn from_call(_: &App, call: &SocketCall) -> Result<Self> {
        call.members().map(|_| Self)
    }
}
