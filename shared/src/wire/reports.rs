//! Reports to the moderators, as clients make them.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    domain::reports::{NewReport, Reason, Report, Target, text_violation},
    id::ReportId,
    wire::fields::{Fields, Input},
};

/// `POST /reports`.
impl Input for NewReport {
    fn read(fields: &mut Fields) -> Option<Self> {
        let target = target(fields);
        let reason = fields.required_choice("reason", &Reason::ALL);
        let text: Option<String> = fields.optional("text");
        if let Some(problem) = text.as_deref().and_then(text_violation) {
            fields.fault("text", problem);
        }
        // Blank words are none.
        let text = text.filter(|text| !text.trim().is_empty());
        Some(Self { target: target?, reason: reason?, text })
    }
}

/// A person, or a message of a room, and not both.
fn target(fields: &mut Fields) -> Option<Target> {
    let is_message = fields.has("chat_room_id") || fields.has("message_id");
    match (fields.has("user_id"), is_message) {
        (true, true) => {
            fields.fault("user_id", "cannot stand beside chat_room_id and message_id");
            None
        }
        (false, false) => {
            fields.fault("user_id", "is required, or chat_room_id and message_id");
            None
        }
        (true, false) => Some(Target::User(fields.required("user_id")?)),
        (false, true) => {
            let (room, message) = (fields.required("chat_room_id"), fields.required("message_id"));
            Some(Target::Message(room?, message?))
        }
    }
}

/// A report as its maker sees it: that it was made.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// Its id.
    pub id: ReportId,
    /// When it was made first.
    pub created_at: Timestamp,
}

impl From<Report> for Reported {
    fn from(report: Report) -> Self {
        Self { id: report.id, created_at: report.created_at }
    }
}
