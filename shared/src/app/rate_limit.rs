//! Rate limits per user and kind of action.

use crate::{App, Result, domain::users::rate_limit::RateLimitedAction, id::UserId};

impl App {
    /// Counts an action of a user, or [`crate::Error::RateLimited`]. One round trip at a human rate. Call it
    /// before anything else, because a refused call must change nothing.
    pub async fn check_rate_limit(&self, user: UserId, action: RateLimitedAction) -> Result<()> {
        self.check_weighted_rate_limit(user, action, 1).await
    }

    /// Counts an action of a user as `weight` actions, or [`crate::Error::RateLimited`]. For actions whose
    /// work multiplies, such as by the number of rooms.
    pub async fn check_weighted_rate_limit(
        &self,
        user: UserId,
        action: RateLimitedAction,
        weight: u32,
    ) -> Result<()> {
        match self.config.rate_limits.of(action) {
            Some(limit) => {
                self.store.check_rate_limit(user, action, limit.weighing(weight), self.now()).await
            }
            None => Ok(()),
        }
    }
}
