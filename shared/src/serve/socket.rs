//! Calls of the WebSocket API: what endpoints may ask of them, and how they are answered.
//!
//! The gateway has checked the token when the connection was made; who it named comes with every later call.
//! Answers and errors are posted to the connection.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Map, Value, json};

use crate::{
    App, BestEffort, Error, Result,
    clock::Timestamp,
    domain::users::presence::Connection,
    id::{ConnectionId, UserId},
    push::Origin,
    serve::{Endpoint, Fatal, FromCall, authorizer, log_answered, measured},
    wire::{
        fields::{Fields, Input},
        problem::Problem,
        socket::{Event, Frame},
    },
};

/// The longest `ref` that an answer repeats, in bytes.
const MAX_REFERENCE_BYTES: usize = 128;

/// One call of the WebSocket API.
pub struct SocketCall {
    event: ApiGatewayWebsocketProxyRequest,
    frame: Result<ReceivedFrame, NotAFrame>,
}

/// A frame from a client.
struct ReceivedFrame {
    data: Option<Value>,
    reference: Option<Value>,
}

/// The body is not a JSON object.
struct NotAFrame;

/// What an endpoint of the WebSocket API returns: what is posted to the connection, if anything.
pub type Answer = Result<Option<Event>>;

/// Runs an endpoint of the WebSocket API for as long as the process lives.
pub async fn serve<A, E>(endpoint: E) -> Result<(), Fatal>
where
    A: 'static,
    E: Endpoint<SocketCall, A, Reply = Option<Event>>,
{
    lambda_runtime::tracing::init_default_subscriber();
    let app = App::from_env().await?;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        async move { Ok::<_, Fatal>(answer(&app, &endpoint, event.payload, &event.context.request_id).await) }
    }))
    .await
}

/// Answers one call, whatever happens in it. The value is for the gateway; what the client sees is posted.
pub async fn answer<A, E>(
    app: &App,
    endpoint: &E,
    event: ApiGatewayWebsocketProxyRequest,
    request_id: &str,
) -> Value
where
    E: Endpoint<SocketCall, A, Reply = Option<Event>>,
{
    let call = SocketCall::new(event);
    let app = &app.at(Timestamp::from_milliseconds(call.event.request_context.request_time_epoch));
    let (outcome, measured) = measured(endpoint.run(app, &call)).await;
    let status = match &outcome {
        Ok(_) => 200,
        Err(error) => Problem::of(error, request_id).status,
    };
    let route = call.event.request_context.route_key.as_deref().unwrap_or_default();
    log_answered!(outcome.as_ref().err(), measured, route, status, request_id);
    if call.has_open_connection() {
        call.post(app, outcome, request_id).await.can_fail("answering on the socket");
    }
    // `$connect` is refused by its status. A frame that is refused has its answer already, and is no failure of the
    // integration, as which the gateway would count it.
    let refused_frame = call.has_open_connection() && status < 500;
    json!({ "statusCode": if refused_frame { 200 } else { status } })
}

impl SocketCall {
    fn new(event: ApiGatewayWebsocketProxyRequest) -> Self {
        let body = event.body.as_deref().unwrap_or_default();
        let frame = match serde_json::from_str(body) {
            Ok(Value::Object(mut fields)) => {
                let usable = |reference: &Value| {
                    reference.is_number()
                        || reference.as_str().is_some_and(|text| text.len() <= MAX_REFERENCE_BYTES)
                };
                Ok(ReceivedFrame {
                    data: fields.remove("data"),
                    reference: fields.remove("ref").filter(usable),
                })
            }
            _ => Err(NotAFrame),
        };
        Self { event, frame }
    }

    /// Nothing can be posted from `$connect` or `$disconnect`.
    fn has_open_connection(&self) -> bool {
        self.event.request_context.event_type.as_deref() == Some("MESSAGE")
    }

    fn reference(&self) -> Option<&Value> {
        self.frame.as_ref().ok().and_then(|frame| frame.reference.as_ref())
    }

    fn authorizer_field(&self, field: &str) -> Result<&str> {
        let fields = &self.event.request_context.authorizer.fields;
        fields.get(field).and_then(Value::as_str).ok_or(Error::InvalidToken("not from the authorizer"))
    }

    /// The connection and its person, as the authorizer found them, whether or not the token is still good.
    fn connection(&self, now: Timestamp) -> Result<Connection> {
        let user_id = self.authorizer_field(authorizer::USER_ID)?;
        let user_id = user_id.parse().map_err(|_| Error::InvalidToken("not from the authorizer"))?;
        let id = self.event.request_context.connection_id.clone().unwrap_or_default();
        let device_id = self.authorizer_field(authorizer::DEVICE_ID).ok().and_then(|id| id.parse().ok());
        Ok(Connection { user_id, id: ConnectionId(id), since: now, device_id })
    }

    async fn post(&self, app: &App, outcome: Answer, request_id: &str) -> Result<()> {
        let now = app.now();
        let proves_nothing = matches!(outcome, Err(Error::TokenExpired | Error::InvalidToken(_)));
        let event = outcome.unwrap_or_else(|error| {
            let problem = Problem::of(&error, request_id);
            let Problem { code, detail: message, retry_after, .. } = problem;
            Some(Event::Error { code, message, retry_after })
        });
        let connection = self.connection(now)?;
        if let Some(event) = &event {
            let frame = Frame { event, reference: self.reference() };
            app.push.answer(connection.clone(), &frame, now).await?;
        }
        if proves_nothing {
            app.push.close(&connection.id).await?;
        }
        Ok(())
    }
}

/// The caller: a connection whose token is still good.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub id: UserId,
    /// On which connection.
    pub connection: Connection,
    /// When the token ends, in seconds since 1970.
    pub token_expires: i64,
}

impl FromCall<SocketCall> for Caller {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let expires = call.authorizer_field(authorizer::EXPIRES)?.parse();
        let token_expires = expires.map_err(|_| Error::InvalidToken("not from the authorizer"))?;
        if app.now().seconds() >= token_expires {
            return Err(Error::TokenExpired);
        }
        let connection = call.connection(app.now())?;
        Ok(Self { id: connection.user_id, connection, token_expires })
    }
}

/// A connection that has ended, whether or not its token was still good.
pub struct Ended(pub Connection);

impl FromCall<SocketCall> for Ended {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        call.connection(app.now()).map(Self)
    }
}

impl FromCall<SocketCall> for Origin {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        Ok(Self { connection: call.connection(app.now())?, reference: call.reference().cloned() })
    }
}

/// What the authorizer learnt of a newcomer, for the first visit.
pub struct Visitor(pub crate::auth::Identity);

impl FromCall<SocketCall> for Visitor {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let caller = Caller::from_call(app, call).await?;
        let text = |field: &str| call.authorizer_field(field).ok().map(str::to_owned);
        Ok(Self(authorizer::identity(caller.id, caller.token_expires, text)))
    }
}

/// The frame's data. Absent data is an empty object.
pub struct Data<T>(pub T);

impl<T: Input> FromCall<SocketCall> for Data<T> {
    async fn from_call(app: &App, call: &SocketCall) -> Result<Self> {
        let frame = call.frame.as_ref().map_err(|NotAFrame| Error::MalformedJson)?;
        let read = |values: Map<String, Value>| Fields::of_json(values, &app.config).read().map(Self);
        match &frame.data {
            None | Some(Value::Null) => read(Map::new()).map_err(|_| Error::invalid("data", "is required")),
            Some(Value::Object(values)) => read(values.clone()),
            Some(_) => Err(Error::invalid("data", "must be an object")),
        }
    }
}

/// The frame's type, for the endpoint that serves whatever no other route does.
pub struct AnyFrame;

impl FromCall<SocketCall> for AnyFrame {
    async fn from_call(_: &App, call: &SocketCall) -> Result<Self> {
        call.frame.as_ref().map(|_| Self).map_err(|NotAFrame| Error::MalformedJson)
    }
}
