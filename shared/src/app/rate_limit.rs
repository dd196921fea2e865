//! What a person may do only so often.

use crate::{
    App, Result,
    domain::{messages::SendRequest, users::rate_limit::RateLimitedAction},
    id::UserId,
    store::messages::Committed,
};

impl App {
    /// Notes that a person does something, or [`crate::Error::RateLimited`] if they do it too often. One round trip to the
    /// table at a human pace; nothing else must have been done before, because a refused call changes nothing.
    pub async fn check_rate_limit(&self, who: UserId, what: RateLimitedAction) -> Result<()> {
        match self.config.rate_limits.of(what) {
            Some(limit) => self.store.check_rate_limit(who, what, limit, self.now()).await,
            None => Ok(()),
        }
    }

    /// Appends a message, if its sender does not send too many. The pace is looked at beside the reads, so that it takes no
    /// time of its own.
    pub async fn append(&self, send: &SendRequest) -> Result<Committed> {
        let admission = self.check_rate_limit(send.sender_id, RateLimitedAction::Messages);
        self.store.append_if(admission, send, self.now()).await
    }
}
