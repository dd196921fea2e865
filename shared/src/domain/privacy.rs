//! What people let others see and do: their settings, and who is close enough.

use serde::{Deserialize, Serialize};

/// How near somebody stands to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closeness {
    /// They have nobody in common.
    Strangers,
    /// A friend of theirs is a friend of the other's.
    FriendsOfFriends,
    /// Friends.
    Friends,
}

/// Whom a person lets do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circle {
    /// Whoever is not blocked.
    Everyone,
    /// Friends, and theirs.
    FriendsOfFriends,
    /// Friends only.
    Friends,
    /// Nobody.
    Nobody,
}

impl Circle {
    /// Whether somebody who stands so near is in it.
    pub fn includes(self, closeness: Closeness) -> bool {
        match self {
            Self::Everyone => true,
            Self::FriendsOfFriends => closeness >= Closeness::FriendsOfFriends,
            Self::Friends => closeness == Closeness::Friends,
            Self::Nobody => false,
        }
    }
}

/// What a person lets others see and do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Who finds them by a part of their username; friends always do.
    pub findable_by: Circle,
    /// Whether their exact e-mail address finds them.
    pub findable_by_email: bool,
    /// Who may ask them to be friends.
    pub requests_from: Circle,
    /// Who may open a direct room with them or bring them into a group.
    pub messages_from: Circle,
    /// Who sees that they are online.
    pub online_shown_to: Circle,
    /// Who sees when they were last online.
    pub last_seen_shown_to: Circle,
    /// Whether others see what they have read, and they what others have.
    pub read_receipts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            findable_by: Circle::Everyone,
            findable_by_email: false,
            requests_from: Circle::Everyone,
            messages_from: Circle::Everyone,
            online_shown_to: Circle::Friends,
            last_seen_shown_to: Circle::Friends,
            read_receipts: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circle_lets_in_those_who_stand_near_enough() {
        use Closeness::{Friends, FriendsOfFriends, Strangers};
        let let_in = |circle: Circle| {
            [Strangers, FriendsOfFriends, Friends].map(|closeness| circle.includes(closeness))
        };
        assert_eq!(let_in(Circle::Everyone), [true, true, true]);
        assert_eq!(let_in(Circle::FriendsOfFriends), [false, true, true]);
        assert_eq!(let_in(Circle::Friends), [false, false, true]);
        assert_eq!(let_in(Circle::Nobody), [false, false, false]);
    }
}
