//! What a person may do only so often.

use crate::{
    App, Result,
    domain::pace::Paced,
    id::UserId,
    store::messages::{Committed, Send},
};

impl App {
    /// Notes that a person does something, or [`crate::Error::RateLimited`] if they do it too often. One round trip to the
    /// table at a human pace; nothing else must have been done before, because a refused call changes nothing.
    pub async fn pace(&self, who: UserId, what: Paced) -> Result<()> {
        match self.config.limits.of(what) {
            Some(limit) => self.store.pace(who, what, limit, self.now()).await,
            None => Ok(()),
        }
    }

    /// Appends a message, if its sender does not send too many. The pace is looked at beside the reads, so that it takes no
    /// time of its own.
    pub async fn append(&self, send: &Send) -> Result<Committed> {
        let admission = self.pace(send.sender_id, Paced::Messages);
        self.store.append_if(admission, send, self.now()).await
    }
}
