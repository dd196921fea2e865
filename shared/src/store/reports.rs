//! Reports to the moderators, with what was reported as it was at that time.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    domain::{
        messages::Message,
        relationships::lists::Block,
        reports::{Evidence, MESSAGES_BEFORE, NewReport, Report, Target},
        rooms::Member,
    },
    error::{Error, Result},
    id::{MessageId, RoomId, UserId},
    store::{
        Store,
        db::{
            item::{Query, item, read},
            keys,
            table::{BATCH_KEYS, Put},
        },
    },
};

/// Reports are kept for a year.
const KEPT: Duration = Duration::days(365);

/// A report is the same one for a day, so that nothing is asked of what its reporter holds after two.
const HELD: Duration = Duration::days(2);

/// An item that is kept for a while; `expires_at` in seconds since 1970.
#[derive(Serialize)]
struct Expiring<T> {
    #[serde(flatten)]
    body: T,
    expires_at: i64,
}

/// What a reporter holds of a report: when it was made, which is where it lies.
#[derive(Serialize, Deserialize)]
struct Reported {
    created_at: Timestamp,
}

impl Store {
    /// Keeps a report, if the reporter may see what they report, and returns it. A repeated one is the first one, and
    /// finishes it where its call has died.
    pub async fn report(&self, reporter: UserId, complaint: NewReport, now: Timestamp) -> Result<Report> {
        let evidence = match complaint.target {
            Target::User(user) => self.user_as_evidence(reporter, user).await?,
            Target::Message(room, message) => self.message_as_evidence(reporter, room, message).await?,
        };
        let report = complaint.into_report(reporter, evidence, now)?;
        let held = Expiring { body: Reported { created_at: now }, expires_at: now.plus(HELD).seconds() };
        let held = item(keys::reported(reporter, report.id), held)?;
        let created_at = match self.table.put_new(held).await? {
            Put::Written => now,
            Put::Taken(held) => read::<Reported>(held)?.created_at,
        };
        let report = Report { created_at, ..report };
        let kept = Expiring { body: &report, expires_at: created_at.plus(KEPT).seconds() };
        self.table.put_new(item(keys::report(created_at, report.id), kept)?).await?;
        Ok(report)
    }

    /// Somebody whom the reporter may see, or else has something to do with: a block, whoever makes it, must put nobody out of
    /// reach. To anyone else, who blocks them is as somebody who does not exist.
    async fn user_as_evidence(&self, reporter: UserId, user_id: UserId) -> Result<Evidence> {
        let (profile, pair) = futures::try_join!(self.profile(user_id), self.pair(reporter, user_id))?;
        let is_here = profile.is_some();
        let may_see = is_here && !pair.is_blocked();
        if may_see
            || self.has_met(reporter, user_id, is_here).await?
            || self.shares_a_room(reporter, user_id).await?
        {
            return Ok(Evidence::User { user_id, profile: profile.map(Into::into) });
        }
        Err(Error::NotFound)
    }

    /// Whether the reporter has a direct room with somebody, open or closed, or blocks them and could see them when they did. A block of
    /// somebody who is not here says nothing: any id can be blocked.
    async fn has_met(&self, reporter: UserId, user: UserId, is_here: bool) -> Result<bool> {
        let (membership, block) = futures::try_join!(
            self.table.get::<Member>(keys::member(RoomId::direct(reporter, user), reporter), true),
            self.table.get::<Block>(keys::block(reporter, user), true),
        )?;
        Ok(membership.is_some() || is_here && block.is_some_and(|block| !block.is_unseen))
    }

    /// Whether somebody is in one of the reporter's rooms, where the two see each other whoever blocks whom.
    async fn shares_a_room(&self, reporter: UserId, user: UserId) -> Result<bool> {
        for some in self.room_ids(reporter).await?.chunks(BATCH_KEYS) {
            let memberships = some.iter().map(|room| keys::member(*room, user));
            if !self.table.batch_get(memberships, true).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A message that the reporter sees, and those before it. Their membership says so, and not the room: a direct room
    /// that one of the two has closed by a block is still theirs to report.
    async fn message_as_evidence(&self, reporter: UserId, room: RoomId, id: MessageId) -> Result<Evidence> {
        let (first, last) = (id.seq().saturating_sub(MESSAGES_BEFORE), id.seq());
        let query = Query::of(keys::messages(room, first, last)).consistent();
        let (member, found) = futures::try_join!(
            self.table.get::<Member>(keys::member(room, reporter), true),
            self.table.query(query),
        )?;
        let from_seq = member.ok_or(Error::NotFound)?.from_seq;
        let found = found.into_iter().map(read).collect::<Result<Vec<Message>>>()?;
        let mut seen: Vec<Message> = found.into_iter().filter(|message| message.seq >= from_seq).collect();
        let message = seen.pop().filter(|message| message.id == id).ok_or(Error::NotFound)?;
        Ok(Evidence::Message { message: Box::new(message), before: seen })
    }
}
