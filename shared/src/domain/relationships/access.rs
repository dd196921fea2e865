//! Access by degree of relationship: which users a privacy setting includes.

use serde::{Deserialize, Serialize};

/// How close another user is to a user, from the most distant to the closest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degree {
    /// Any user without a closer degree.
    Everyone,
    /// The two have at least one mutual friend.
    FriendOfFriend,
    /// The two are friends.
    Friend,
}

/// The users that a privacy setting includes. A block excludes a user whatever the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All users.
    Everyone,
    /// Friends, and their friends.
    FriendsOfFriends,
    /// Friends only.
    Friends,
    /// No user.
    Nobody,
}

impl Audience {
    /// Whether the audience includes a user of this degree.
    pub fn includes(self, degree: Degree) -> bool {
        match self {
            Self::Everyone => true,
            Self::FriendsOfFriends => degree >= Degree::FriendOfFriend,
            Self::Friends => degree == Degree::Friend,
            Self::Nobody => false,
        }
    }

    /// Whether the audience includes a user, given only whether they are friends. `None` if mutual friends
    /// decide.
    pub fn includes_without_lookup(self, is_friend: bool) -> Option<bool> {
        let (lowest, highest) = if is_friend {
            (Degree::Friend, Degree::Friend)
        } else {
            (Degree::Everyone, Degree::FriendOfFriend)
        };
        let includes = self.includes(lowest);
        (includes == self.includes(highest)).then_some(includes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_audience_includes_its_degrees() {
        use Degree::{Everyone, Friend, FriendOfFriend};
        let included =
            |audience: Audience| [Everyone, FriendOfFriend, Friend].map(|degree| audience.includes(degree));
        assert_eq!(included(Audience::Everyone), [true, true, true]);
        assert_eq!(included(Audience::FriendsOfFriends), [false, true, true]);
        assert_eq!(included(Audience::Friends), [false, false, true]);
        assert_eq!(included(Audience::Nobody), [false, false, false]);
    }

    #[test]
    fn only_friends_of_friends_needs_a_lookup_and_only_for_non_friends() {
        let decided =
            |audience: Audience| [false, true].map(|is_friend| audience.includes_without_lookup(is_friend));
        assert_eq!(decided(Audience::Everyone), [Some(true), Some(true)]);
        assert_eq!(decided(Audience::FriendsOfFriends), [None, Some(true)]);
        assert_eq!(decided(Audience::Friends), [Some(false), Some(true)]);
        assert_eq!(decided(Audience::Nobody), [Some(false), Some(false)]);
    }
}
