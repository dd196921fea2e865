//! What a pair adds to what its people have.

use super::Pair;
use crate::{domain::counted::Counted, id::UserId};

impl Pair {
    /// What is counted of pairs.
    pub const COUNTED: [Counted; 3] = [Counted::RequestsSent, Counted::Friends, Counted::Blocks];

    /// What it adds to what this one of the two has: one or nothing.
    pub fn adds(&self, counted: Counted, who: UserId) -> i64 {
        i64::from(match counted {
            Counted::RequestsSent => self.request().is_some_and(|request| request.sender_id == who),
            Counted::Friends => self.are_friends(),
            Counted::Blocks => self.blocked_by(who).is_some(),
            Counted::Devices | Counted::Rooms => false,
        })
    }
}
