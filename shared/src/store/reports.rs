//! Reports to the moderators, with the evidence as of the report.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        messages::Message,
        reports::{MESSAGES_BEFORE, Report},
        rooms::Member,
    },
    error::Result,
    id::{MessageId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Query, item, read, readable},
            keys,
            table::{BATCH_KEYS, Put},
        },
        messages::read_message,
        rooms::read_member,
    },
};

/// How long a report is kept.
const REPORT_RETENTION: Duration = Duration::days(365);

/// How long the reporter's entry is kept. Reports of one day are the same report, so it is not needed after
/// two days.
const ENTRY_RETENTION: Duration = Duration::days(2);

/// An item with a TTL; `expires_at` in seconds since 1970.
#[derive(Serialize)]
struct Expiring<T> {
    #[serde(flatten)]
    body: T,
    expires_at: i64,
}

/// The reporter's entry of a report. Its time is a part of the report's key.
#[derive(Serialize, Deserialize)]
struct ReportEntry {
    created_at: Timestamp,
}

impl Store {
    /// Stores a report, and returns it. A repeated report is the first one, and completes it if its call
    /// failed.
    pub async fn put_report(&self, report: Report, now: Timestamp) -> Result<Report> {
        let entry = Expiring {
            body: ReportEntry { created_at: now },
            expires_at: now.plus(ENTRY_RETENTION).seconds(),
        };
        let entry = item(keys::reported(report.reporter_id, report.id), entry)?;
        let created_at = match self.table.put_new(entry).await? {
            Put::Written => now,
            Put::Taken(entry) => readable(read::<ReportEntry>(entry)).map_or(now, |entry| entry.created_at),
        };
        let report = Report { created_at, ..report };
        let stored = Expiring { body: &report, expires_at: created_at.plus(REPORT_RETENTION).seconds() };
        self.table.put_new(item(keys::report(created_at, report.id), stored)?).await?;
        Ok(report)
    }

    /// A user's membership of a room, whether or not the room is closed.
    pub async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Member>> {
        Ok(self.table.get_item(keys::member(room, user), true).await?.map(read_member))
    }

    /// Whether a user is a member of one of another user's rooms.
    pub async fn shares_a_room(&self, me: UserId, user: UserId) -> Result<bool> {
        for rooms in self.room_ids(me).await?.chunks(BATCH_KEYS) {
            let memberships = rooms.iter().map(|room| keys::member(*room, user));
            if !self.table.batch_get(memberships, true).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The message at the position of an id, and the messages before it.
    pub async fn reported_messages(&self, room: RoomId, id: MessageId) -> Result<Vec<Message>> {
        let (first, last) = (id.seq().saturating_sub(MESSAGES_BEFORE), id.seq());
        let query = Query::of(keys::messages(room, first, last)).consistent();
        Ok(self.table.query(query).await?.into_iter().map(read_message).collect())
    }
}
