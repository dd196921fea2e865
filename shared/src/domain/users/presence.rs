//! Who is online, when they last were, and who may know.

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, access::Degree},
        users::settings::Settings,
    },
    id::{ConnectionId, DeviceId, UserId},
};
use serde::{Deserialize, Serialize};

/// Whether a person is online, and when they last were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whether one of their connections is live.
    pub is_online: bool,
    /// When one of their connections last ended.
    pub last_seen: Option<Timestamp>,
}

/// The same as somebody may know it: nothing where they may not, and where nobody has looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPresence {
    /// Whether one of the person's connections is live.
    pub is_online: Option<bool>,
    /// When one of their connections last ended.
    pub last_seen: Option<Timestamp>,
}

impl Presence {
    /// As the person themselves sees it.
    pub fn to_self(self) -> ShownPresence {
        ShownPresence { is_online: Some(self.is_online), last_seen: self.last_seen }
    }

    /// As the other one of `pair` sees it, by its person's settings. Who is blocked, either way, sees nothing.
    pub fn across(self, pair: &Pair, settings: &Settings) -> ShownPresence {
        match pair {
            pair if pair.is_blocked() => ShownPresence::default(),
            pair if pair.are_friends() => self.shown_to(Degree::Friend, settings),
            _ => self.shown_to(Degree::Everyone, settings),
        }
    }

    /// As somebody sees it who stands so near to its person.
    pub fn shown_to(self, closeness: Degree, settings: &Settings) -> ShownPresence {
        ShownPresence {
            is_online: settings.online_shown_to.includes(closeness).then_some(self.is_online),
            last_seen: self.last_seen.filter(|_| settings.last_seen_shown_to.includes(closeness)),
        }
    }
}

/// A live connection of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The user.
    pub user_id: UserId,
    /// The gateway's id of the connection.
    pub id: ConnectionId,
    /// When the connection was registered.
    pub since: Timestamp,
    /// The device that the client named, if any.
    pub device_id: Option<DeviceId>,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::relationships::{State, access::Audience};

    const ALL: [Audience; 3] = [Audience::Everyone, Audience::Friends, Audience::Nobody];

    fn there() -> Presence {
        Presence { is_online: true, last_seen: Some(Timestamp::from_seconds(7)) }
    }

    fn settings(online_shown_to: Audience, last_seen_shown_to: Audience) -> Settings {
        Settings { online_shown_to, last_seen_shown_to, ..Settings::default() }
    }

    fn pair(are_friends: bool) -> Pair {
        let strangers = Pair::strangers(Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        let friends = State::Friends { since: Timestamp::from_seconds(0) };
        if are_friends { Pair { state: friends, ..strangers } } else { strangers }
    }

    #[test]
    fn each_part_is_shown_to_those_whom_its_own_setting_names() {
        for are_friends in [false, true] {
            let may = |circle| circle == Audience::Everyone || circle == Audience::Friends && are_friends;
            for (online, last_seen) in ALL.iter().flat_map(|a| ALL.iter().map(move |b| (*a, *b))) {
                let shown = there().across(&pair(are_friends), &settings(online, last_seen));
                assert_eq!(shown.is_online, may(online).then_some(true), "{online:?}, {are_friends}");
                assert_eq!(shown.last_seen.is_some(), may(last_seen), "{last_seen:?}, {are_friends}");
            }
        }
    }

    #[test]
    fn a_block_either_way_hides_all_of_it_whatever_the_settings() {
        let everyone = settings(Audience::Everyone, Audience::Everyone);
        let since = Some(Timestamp::from_seconds(0));
        for blocked in
            [Pair { blocked_by_low: since, ..pair(true) }, Pair { blocked_by_high: since, ..pair(false) }]
        {
            assert_eq!(there().across(&blocked, &everyone), ShownPresence::default());
        }
    }

    #[test]
    fn one_sees_oneself_and_by_default_only_friends_do() {
        assert_eq!(there().to_self(), there().across(&pair(true), &Settings::default()));
        assert_eq!(there().across(&pair(false), &Settings::default()), ShownPresence::default());
    }
}
