//! What a pair adds to what its people have.

use crate::{
    domain::{relationships::Pair, users::quota::Quota},
    id::UserId,
};

impl Pair {
    /// What is counted of pairs.
    pub const COUNTED: [Quota; 3] = [Quota::RequestsSent, Quota::Friends, Quota::Blocks];

    /// What it adds to what this one of the two has: one or nothing.
    pub fn adds(&self, counted: Quota, who: UserId) -> i64 {
        i64::from(match counted {
            Quota::RequestsSent => self.request().is_some_and(|request| request.sender_id == who),
            Quota::Friends => self.are_friends(),
            Quota::Blocks => self.blocked_by(who).is_some(),
            Quota::Devices | Quota::Rooms => false,
        })
    }
}
