//! How errors are shown: RFC 9457 `application/problem+json` over HTTP, an `error` frame over the socket.

use chrono::Duration;
use serde::Serialize;

use crate::error::{Error, FieldError};

/// An error as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Always `about:blank`: `title` is the status's own phrase, and `code` says which problem it is.
    pub r#type: &'static str,
    /// The status's phrase.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One plain sentence, fit to be shown.
    pub detail: String,
    /// Stable and `snake_case`, for programs.
    pub code: &'static str,
    /// Every bad field, for validation failures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Names the call in the logs, for faults of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Seconds after which the same call may succeed, for a header of that name; at least one.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// The public side of an error. A fault of ours shows the request's id and nothing of its cause.
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
            Error::MalformedJson => plain(400, "malformed_json", "This is not a JSON object."),
            Error::Invalid(errors) => {
                let sentences = errors.iter().map(|error| format!("{} {}.", error.field, error.message));
                let detail = sentences.collect::<Vec<_>>().join(" ");
                Self { errors: errors.clone(), ..plain(422, "validation_failed", &detail) }
            }
            Error::InvalidToken(_) => plain(401, "invalid_token", "Please sign in."),
            Error::TokenExpired => {
                plain(401, "token_expired", "Your sign-in has expired: please sign in again.")
            }
            Error::NotFound => plain(404, "not_found", "There is no such thing here."),
            Error::Refused(refusal) => plain(refusal.status, refusal.code, refusal.detail),
            Error::RateLimited { retry_after } => Self {
                retry_after: Some(whole_seconds(*retry_after)),
                ..plain(429, "rate_limited", "You are doing this too often: please try again a little later.")
            },
            Error::TooLarge => plain(413, "too_large", "A body has at most 64 KB."),
            Error::Busy(_) => Self {
                retry_after: Some(1),
                ..plain(503, "busy", "Too much is going on here: please try again in a moment.")
            },
            Error::Internal(_) => Self {
                request_id: Some(request_id.to_owned()),
                ..plain(500, "internal", "Something went wrong on our side.")
            },
        }
    }
}

/// Upwards, so that who waits so long has waited long enough.
fn whole_seconds(while_more: Duration) -> u32 {
    let seconds = (while_more.num_milliseconds().max(1) + 999) / 1000;
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
    fn a_fault_of_ours_shows_nothing_of_its_cause() {
        let problem = Problem::of(&Error::internal("secret table is on fire"), "req-1");
        let json = serde_json::to_string(&problem).unwrap();
        assert!(json.contains("req-1") && !json.contains("secret"), "{json}");
    }

    #[test]
    fn every_bad_field_is_named_in_one_sentence_each() {
        let bad = |field: &str| FieldError { field: field.into(), message: "must be a UUID".into() };
        let problem = Problem::of(&Error::Invalid(vec![bad("a"), bad("b")]), "");
        assert_eq!(problem.detail, "a must be a UUID. b must be a UUID.");
        assert_eq!((problem.status, problem.title, problem.errors.len()), (422, "Unprocessable Entity", 2));
    }

    #[test]
    fn who_is_too_fast_is_told_whole_seconds_and_at_least_one() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            let error = Error::RateLimited { retry_after: Duration::milliseconds(milliseconds) };
            let problem = Problem::of(&error, "");
            assert_eq!((problem.status, problem.retry_after), (429, Some(seconds)), "{milliseconds} ms");
        }
        assert_eq!(Problem::of(&Error::NotFound, "").retry_after, None);
    }
}
