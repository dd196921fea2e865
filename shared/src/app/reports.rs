//! Reports to the moderators: what a user may report, and its evidence.

use crate::{
    App, Error, Result,
    domain::reports::{Evidence, NewReport, Report, ReportTarget},
    id::{MessageId, RoomId, UserId},
};

impl App {
    /// Stores a report of what the reporter may report. Idempotent within a day.
    pub async fn report(&self, reporter: UserId, new: NewReport) -> Result<Report> {
        let now = self.now();
        let evidence = match new.target {
            ReportTarget::User(user) => self.user_evidence(reporter, user).await?,
            ReportTarget::Message(room, message) => self.message_evidence(reporter, room, message).await?,
        };
        self.store.put_report(new.into_report(reporter, evidence, now)?, now).await
    }

    /// The profile of a user whom the reporter may see, or has met: a block, in either direction, must not
    /// prevent a report. To any other reporter, a user who blocks them does not exist.
    async fn user_evidence(&self, reporter: UserId, user_id: UserId) -> Result<Evidence> {
        let (profile, pair) =
            futures::try_join!(self.store.profile(user_id), self.store.pair(reporter, user_id))?;
        let exists = profile.is_some();
        let is_visible = exists && !pair.is_blocked();
        if is_visible
            || self.has_met(reporter, user_id, exists).await?
            || self.store.shares_a_room(reporter, user_id).await?
        {
            return Ok(Evidence::User { user_id, profile: profile.map(Into::into) });
        }
        Err(Error::NotFound)
    }

    /// Whether the reporter has a direct room with a user, open or closed, or saw the user when blocking
    /// them. A block of a user who does not exist proves nothing: any id can be blocked.
    async fn has_met(&self, reporter: UserId, user: UserId, exists: bool) -> Result<bool> {
        let (membership, block) = futures::try_join!(
            self.store.membership(RoomId::direct(reporter, user), reporter),
            self.store.block(reporter, user),
        )?;
        Ok(membership.is_some() || exists && block.is_some_and(|block| !block.is_unseen))
    }

    /// A message that the reporter sees, and the messages before it. The membership decides, not the room:
    /// the messages of a direct room that a block has closed can be reported.
    async fn message_evidence(&self, reporter: UserId, room: RoomId, id: MessageId) -> Result<Evidence> {
        let member = self.store.membership(room, reporter).await?;
        let from_seq = member.ok_or(Error::NotFound)?.from_seq;
        let found = self.store.reported_messages(room, id).await?;
        let mut visible: Vec<_> = found.into_iter().filter(|message| message.seq >= from_seq).collect();
        let message = visible.pop().filter(|message| message.id == id).ok_or(Error::NotFound)?;
        Ok(Evidence::Message { message: Box::new(message), before: visible })
    }
}
