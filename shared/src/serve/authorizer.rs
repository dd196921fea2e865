//! The authorizer of the WebSocket's `$connect`, the only call that receives the token of a connection.

use std::{borrow::Cow, collections::HashMap};

use aws_lambda_events::{
    apigw::ApiGatewayCustomAuthorizerResponse,
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{
    App, Error, Result,
    auth::Identity,
    domain::users::profile::TokenProfile,
    id::{DeviceId, UserId},
    serve::{
        Fatal,
        events::AuthorizerEvent,
        handshake::{parameters, token},
        log_answered, measured,
    },
    wire::problem::Problem,
};

/// The key of the user's id in the authorizer context, which the gateway adds to each call of the connection.
pub(super) const USER_ID: &str = "user_id";
/// The key of the token's expiry, in Unix seconds.
pub(super) const EXPIRES: &str = "expires";
/// The key of the token's issue time, in Unix seconds.
const ISSUED_AT: &str = "issued_at";
/// The key of the device that the client named, if any. Also the name of the query parameter.
pub(super) const DEVICE_ID: &str = "device_id";
const USERNAME: &str = "username";
const EMAIL: &str = "email";
const DISPLAY_NAME: &str = "display_name";
const AVATAR_URL: &str = "avatar_url";

/// The characters that are percent-encoded in the context, in addition to all outside of ASCII: the gateway does not
/// document that it keeps them. Encoded names and addresses stay far below the limit of 8 KB for a result.
const ENCODED: AsciiSet = CONTROLS.add(b'%');

/// The response to the gateway: a policy and a context of texts.
pub type AuthorizerResponse = ApiGatewayCustomAuthorizerResponse<HashMap<String, String>>;

/// An error for the gateway, which turns the message `Unauthorized` into a 401 and any other into a 500.
#[derive(Debug)]
struct Failure(Error);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        let message = match error {
            Error::InvalidToken(_) | Error::TokenExpired => "Unauthorized",
            _ => "Internal",
        };
        Self { error_type: message.to_owned(), error_message: message.to_owned() }
    }
}

/// Runs the authorizer until the process ends.
pub async fn serve() -> Result<(), Fatal> {
    super::log::init();
    let app = App::from_env().await?;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<AuthorizerEvent>| {
        let app = app.clone();
        async move {
            let (decision, measured) = measured(decide(&app, &event.payload)).await;
            let request_id = event.context.request_id;
            let status = decision.as_ref().err().map_or(200, |error| Problem::of(error, &request_id).status);
            log_answered!(decision.as_ref().err(), measured, route = "authorize", status, request_id);
            decision.map_err(Failure)
        }
    }))
    .await
}

/// Allows a connection with a valid token.
pub async fn decide(app: &App, request: &AuthorizerEvent) -> Result<AuthorizerResponse> {
    let identity = app.verify(token(request)?).await?;

    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = IamPolicyEffect::Allow;
    statement.resource = request.method_arn.iter().cloned().collect();
    let mut decision = AuthorizerResponse::default();
    decision.principal_id = Some(identity.user_id.to_string());
    decision.policy_document.version = Some("2012-10-17".to_owned());
    decision.policy_document.statement = vec![statement];
    decision.context = context(identity);
    // An invalid device id counts as absent.
    let device = parameters(request, DEVICE_ID).next_back().and_then(|id| id.parse::<DeviceId>().ok());
    decision.context.extend(device.map(|device| (DEVICE_ID.to_owned(), device.to_string())));
    Ok(decision)
}

fn context(identity: Identity) -> HashMap<String, String> {
    let TokenProfile { username, email, display_name, avatar_url } = identity.profile;
    let fields = [
        (USER_ID, Some(identity.user_id.to_string())),
        (EXPIRES, Some(identity.expires.to_string())),
        (ISSUED_AT, identity.issued_at.map(|issued| issued.to_string())),
        (USERNAME, username),
        (EMAIL, email),
        (DISPLAY_NAME, display_name),
        (AVATAR_URL, avatar_url),
    ];
    let encode = |value: String| utf8_percent_encode(&value, &ENCODED).to_string();
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), encode(value?)))).collect()
}

/// A text of the context.
pub(super) fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// Restores the identity from the authorizer context. `text` looks up a field.
pub(super) fn identity(user_id: UserId, expires: i64, text: impl Fn(&str) -> Option<String>) -> Identity {
    let profile = TokenProfile {
        username: text(USERNAME),
        email: text(EMAIL),
        display_name: text(DISPLAY_NAME),
        avatar_url: text(AVATAR_URL),
    };
    let issued_at = text(ISSUED_AT).and_then(|issued| issued.parse().ok());
    Identity { user_id, expires, issued_at, profile }
}
