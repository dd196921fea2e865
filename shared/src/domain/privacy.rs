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

    /// Whether somebody is in it of whom nothing is known but whether they are a friend. `None` if friends in common decide.
    pub fn includes_at_once(self, is_friend: bool) -> Option<bool> {
        let (least, most) = if is_friend {
            (Closeness::Friends, Closeness::Friends)
        } else {
            (Closeness::Strangers, Closeness::FriendsOfFriends)
        };
        let includes = self.includes(least);
        (includes == self.includes(most)).then_some(includes)
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

/// What somebody wants to become of their settings: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// See [`Settings::findable_by`].
    pub findable_by: Option<Circle>,
    /// See [`Settings::findable_by_email`].
    pub findable_by_email: Option<bool>,
    /// See [`Settings::requests_from`].
    pub requests_from: Option<Circle>,
    /// See [`Settings::messages_from`].
    pub messages_from: Option<Circle>,
    /// See [`Settings::online_shown_to`].
    pub online_shown_to: Option<Circle>,
    /// See [`Settings::last_seen_shown_to`].
    pub last_seen_shown_to: Option<Circle>,
    /// See [`Settings::read_receipts`].
    pub read_receipts: Option<bool>,
}

impl SettingsChange {
    /// Whether somebody chooses, maybe as it was, what others see of where they are online.
    pub fn concerns_presence(&self) -> bool {
        self.online_shown_to.is_some() || self.last_seen_shown_to.is_some()
    }

    /// Changes what is to be changed.
    pub fn apply(&self, settings: &mut Settings) {
        let Settings {
            findable_by,
            findable_by_email,
            requests_from,
            messages_from,
            online_shown_to,
            last_seen_shown_to,
            read_receipts,
        } = settings;
        let circles = [
            (findable_by, self.findable_by),
            (requests_from, self.requests_from),
            (messages_from, self.messages_from),
            (online_shown_to, self.online_shown_to),
            (last_seen_shown_to, self.last_seen_shown_to),
        ];
        for (circle, wanted) in circles {
            *circle = wanted.unwrap_or(*circle);
        }
        for (choice, wanted) in
            [(findable_by_email, self.findable_by_email), (read_receipts, self.read_receipts)]
        {
            *choice = wanted.unwrap_or(*choice);
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

    #[test]
    fn friends_in_common_decide_only_on_strangers_and_only_in_one_circle() {
        let at_once = |circle: Circle| [false, true].map(|is_friend| circle.includes_at_once(is_friend));
        assert_eq!(at_once(Circle::Everyone), [Some(true), Some(true)]);
        assert_eq!(at_once(Circle::FriendsOfFriends), [None, Some(true)]);
        assert_eq!(at_once(Circle::Friends), [Some(false), Some(true)]);
        assert_eq!(at_once(Circle::Nobody), [Some(false), Some(false)]);
    }
}
