//! The contribution of a pair to the quotas of its users.

use crate::{
    domain::{relationships::Pair, users::quota::Quota},
    id::UserId,
};

impl Pair {
    /// The quotas that pairs contribute to.
    pub const QUOTAS: [Quota; 3] = [Quota::RequestsSent, Quota::Friends, Quota::Blocks];

    /// The contribution of the pair to a quota of `user`: 0 or 1.
    pub fn contribution(&self, quota: Quota, user: UserId) -> i64 {
        i64::from(match quota {
            Quota::RequestsSent => self.request().is_some_and(|request| request.sender_id == user),
            Quota::Friends => self.are_friends(),
            Quota::Blocks => self.blocked_by(user).is_some(),
            Quota::Devices | Quota::Rooms => false,
        })
    }
}
