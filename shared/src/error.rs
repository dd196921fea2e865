//! The one error of the system: what went wrong, as the caller may know it.

use std::{error::Error as StdError, fmt};

use chrono::Duration;
use serde::Serialize;

/// What every fallible call here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. `wire::problem` says how each case is shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body or frame is not JSON, or not a JSON object.
    #[error("malformed JSON")]
    MalformedJson,
    /// Fields that are missing, of a wrong type or out of bounds: every one of them.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// No token, or one that proves nothing.
    #[error("invalid token: {0}")]
    InvalidToken(&'static str),
    /// A good token whose time is over.
    #[error("expired token")]
    TokenExpired,
    /// It does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// A rule says no; the caller may know why.
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// The person does this too often.
    #[error("rate limited")]
    RateLimited {
        /// After this while the same call may be made.
        retry_after: Duration,
    },
    /// The body is over the limit.
    #[error("body too large")]
    TooLarge,
    /// Too much at once, here or in the table: the same call may well succeed a little later.
    #[error("busy: {0}")]
    Busy(Cause),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(Cause),
}

/// One field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name in the request.
    pub field: String,
    /// What it must be, as the end of a sentence that begins with the field's name.
    pub message: String,
}

/// A rule's "no", in words that may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stable and `snake_case`, for programs.
    pub code: &'static str,
    /// One plain sentence, for people.
    pub detail: &'static str,
}

/// The source of a fault, kept for the log and never shown.
pub struct Cause(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Cause {
    /// The whole chain of sources: an SDK error's own text is only "service error".
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
    /// A fault of ours, with its source.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal(source.into())
    }

    /// One field that is not as it must be.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Names work that may fail without failing the call, where it happens.
pub trait BestEffort {
    /// Logs a failure as a warning and goes on.
    fn can_fail(self, what: &'static str);
}

impl<T> BestEffort for Result<T> {
    fn can_fail(self, what: &'static str) {
        if let Err(error) = self {
            tracing::warn!(%error, what, "best-effort work failed");
        }
    }
}
