//! The error type of all fallible operations.

use std::{error::Error as StdError, fmt};

use chrono::Duration;
use serde::Serialize;

/// The result of a fallible operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error. `wire::problem` defines the public form of each variant.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body or frame is not JSON, or not a JSON object.
    #[error("malformed JSON")]
    MalformedJson,
    /// All fields that are missing, of the wrong type or out of range.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// The token is missing or not valid, with the reason for the log.
    #[error("invalid token: {0}")]
    InvalidToken(&'static str),
    /// The token is valid but has expired.
    #[error("expired token")]
    TokenExpired,
    /// The resource does not exist, or the caller may not know that it exists.
    #[error("not found")]
    NotFound,
    /// A rule forbids the action. The caller may know why.
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// The user has exceeded a rate limit.
    #[error("rate limited")]
    RateLimited {
        /// The time until the same call is allowed.
        retry_after: Duration,
    },
    /// The body exceeds the maximum size.
    #[error("body too large")]
    TooLarge,
    /// The server, the table or an issuer is overloaded or unavailable. A retry may succeed.
    #[error("busy: {0}")]
    Busy(Cause),
    /// A server error.
    #[error("internal: {0}")]
    Internal(Cause),
    /// A server error: an item of the table does not have the form that the service writes. Names its key.
    #[error("unreadable: {0}")]
    Unreadable(String),
}

/// An invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The name of the field in the request.
    pub field: String,
    /// The end of a sentence that starts with the field's name, such as `must be a UUID`.
    pub message: String,
}

/// The public form of a rule that forbids an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// A stable identifier in `snake_case`.
    pub code: &'static str,
    /// A sentence that apps can show to users.
    pub detail: &'static str,
}

/// The cause of an error. It is logged and never sent to clients.
pub struct Cause(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Cause {
    /// Writes the entire chain of sources: the text of an SDK error alone is only "service error".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Error {
    /// Creates a server error.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal(source.into())
    }

    /// Creates a validation error of one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Marks work whose failure must not fail the call.
pub trait BestEffort {
    /// Logs a failure as a warning and discards the result.
    fn can_fail(self, what: &'static str);
}

impl<T> BestEffort for Result<T> {
    fn can_fail(self, what: &'static str) {
        if let Err(error) = self {
            tracing::warn!(%error, what, "best-effort work failed");
        }
    }
}
