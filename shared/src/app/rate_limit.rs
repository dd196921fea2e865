//! Rate limits per user and kind of action.

use futures::FutureExt;

use crate::{
    App, Error, Result, domain::users::rate_limit::RateLimitedAction, id::UserId, store::db::capacity,
};

/// The part of the read budget below which a call is not charged. With the default budget: 100 units.
const FREE_PART: u32 = 600;

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

    /// Charges what the running call reads to the user's read budget. From then on, a read beyond the budget
    /// is [`crate::Error::RateLimited`]. A call that reads little costs no write.
    pub fn charge_reads(&self, user: UserId) {
        let Some(limit) = self.config.rate_limits.of(RateLimitedAction::Reads) else { return };
        let (store, now) = (self.store.clone(), self.now());
        capacity::charge_reads(limit.burst() / FREE_PART, move |due| {
            let store = store.clone();
            let charge = async move {
                let units = limit.weighing(due.units);
                match store.check_rate_limit(user, RateLimitedAction::Reads, units, now).await {
                    // A retry pays the first part again, and must then reach the rest.
                    Err(Error::RateLimited { retry_after }) if due.charged > 0 => {
                        let charged = limit.weighing(due.charged).advance();
                        Err(Error::RateLimited { retry_after: retry_after + charged })
                    }
                    charged => charged,
                }
            };
            charge.boxed()
        });
    }
}
