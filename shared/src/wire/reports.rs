//! Reports to the moderators.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::{
        reports::{NewReport, Reason, Report, ReportTarget, text_violation},
        text,
    },
    id::ReportId,
    wire::fields::{Fields, Input},
};

/// `POST /reports`.
impl Input for NewReport {
    fn read(fields: &mut Fields) -> Option<Self> {
        let target = target(fields);
        let reason = fields.required_choice("reason", &Reason::ALL);
        // A blank text counts as absent.
        let text = fields.optional::<String>("text").map(|text| text::clean(&text));
        let text = text.filter(|text| !text::is_blank(text));
        if let Some(message) = text.as_deref().and_then(text_violation) {
            fields.violation("text", message);
        }
        Some(Self { target: target?, reason: reason?, text })
    }
}

/// The reported user or message. Exactly one of both is required.
fn target(fields: &mut Fields) -> Option<ReportTarget> {
    let is_message = fields.has("chat_room_id") || fields.has("message_id");
    match (fields.has("user_id"), is_message) {
        (true, true) => {
            fields.violation("user_id", "cannot be combined with chat_room_id and message_id");
            None
        }
        (false, false) => {
            fields.violation("user_id", "is required, or chat_room_id and message_id");
            None
        }
        (true, false) => Some(ReportTarget::User(fields.required("user_id")?)),
        (false, true) => {
            let (room, message) = (fields.required("chat_room_id"), fields.required("message_id"));
            Some(ReportTarget::Message(room?, message?))
        }
    }
}

/// The confirmation of a report.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// The id of the report.
    pub id: ReportId,
    /// When the report was first submitted. Repeating a report does not change it.
    pub created_at: Timestamp,
}

impl From<Report> for Reported {
    fn from(report: Report) -> Self {
        Self { id: report.id, created_at: report.created_at }
    }
}
