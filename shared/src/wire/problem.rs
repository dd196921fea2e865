//! The public form of errors: RFC 9457 `application/problem+json` over HTTP, an `error` frame over the
//! WebSocket.

use chrono::Duration;
use const_format::formatcp;
use serde::Serialize;

use crate::{
    error::{Error, FieldError},
    wire::fields::MAX_BODY_BYTES,
};

/// An error as clients receive it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Always `about:blank`: `title` is the reason phrase of the status, and `code` identifies the problem.
    pub r#type: &'static str,
    /// The reason phrase of the HTTP status.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A sentence that apps can show to users.
    pub detail: String,
    /// A stable identifier in `snake_case`.
    pub code: &'static str,
    /// All invalid fields, for `validation_failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The id of the call in the logs, for `internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The `Retry-After` header, in seconds: when the same call may succeed. At least 1.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

const TOO_LARGE: &str = formatcp!("The body is larger than {} KB.", MAX_BODY_BYTES / 1024);

impl Problem {
    /// Converts an error. An internal one has the request's id, and never its cause.
    pub fn of(error: &Error, request_id: &str) -> Self {
        let plain = |status, code, detail: &str| Self {
            r#type: "about:blank",
            title: phrase(status),
            status,
            detail: detail.to_owned(),
            code,
            errors: Vec::new(),
            request_id: None,
            retry_after: None,
        };
        match error {
            Error::MalformedJson => plain(400, "malformed_json", "The body is not a JSON object."),
            Error::Invalid(errors) => {
                let sentences = errors.iter().map(|error| format!("{} {}.", error.field, error.message));
                let detail = sentences.collect::<Vec<_>>().join(" ");
                Self { errors: errors.clone(), ..plain(422, "validation_failed", &detail) }
            }
            Error::InvalidToken(_) => plain(401, "invalid_token", "Please sign in."),
            Error::TokenExpired => {
                plain(401, "token_expired", "Your session has expired. Please sign in again.")
            }
            Error::NotFound => plain(404, "not_found", "Not found."),
            Error::Refused(refusal) => plain(refusal.status, refusal.code, refusal.detail),
            Error::RateLimited { retry_after } => Self {
                retry_after: Some(whole_seconds(*retry_after)),
                ..plain(429, "rate_limited", "You're doing this too often. Try again in a moment.")
            },
            Error::TooLarge => plain(413, "too_large", TOO_LARGE),
            Error::Busy(_) => Self {
                retry_after: Some(1),
                ..plain(503, "busy", "We're a little busy. Try again in a moment.")
            },
            Error::Internal(_) | Error::Unreadable(_) => Self {
                request_id: Some(request_id.to_owned()),
                ..plain(500, "internal", "Something went wrong on our side.")
            },
        }
    }
}

/// Rounds up, so that a retry is never too early.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = (wait.num_milliseconds().max(1) + 999) / 1000;
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn phrase(status: u16) -> &'static str {
    let status = lambda_http::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_has_a_request_id_and_hides_its_cause() {
        let problem = Problem::of(&Error::internal("secret table is on fire"), "req-1");
        let json = serde_json::to_string(&problem).unwrap();
        assert!(json.contains("req-1") && !json.contains("secret"), "{json}");
    }

    #[test]
    fn a_validation_failure_has_one_sentence_per_invalid_field() {
        let invalid = |field: &str| FieldError { field: field.into(), message: "must be a UUID".into() };
        let problem = Problem::of(&Error::Invalid(vec![invalid("a"), invalid("b")]), "");
        assert_eq!(problem.detail, "a must be a UUID. b must be a UUID.");
        assert_eq!((problem.status, problem.title, problem.errors.len()), (422, "Unprocessable Entity", 2));
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds_and_is_at_least_one() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            let error = Error::RateLimited { retry_after: Duration::milliseconds(milliseconds) };
            let problem = Problem::of(&error, "");
            assert_eq!((problem.status, problem.retry_after), (429, Some(seconds)), "{milliseconds} ms");
        }
        assert_eq!(Problem::of(&Error::NotFound, "").retry_after, None);
    }
}
