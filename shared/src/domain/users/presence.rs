//! Presence: whether a user is online, when they were last online, and who may see it.

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, access::Degree},
        users::settings::Settings,
    },
    id::{ConnectionId, DeviceId, UserId},
};
use serde::{Deserialize, Serialize};

/// The presence of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whether the user has a live connection.
    pub is_online: bool,
    /// When a connection of the user last ended.
    pub last_seen: Option<Timestamp>,
}

/// The presence of a user as another user may see it. Hidden fields and fields that were not read are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPresence {
    /// Whether the user has a live connection.
    pub is_online: Option<bool>,
    /// When a connection of the user last ended.
    pub last_seen: Option<Timestamp>,
}

impl Presence {
    /// The presence as the user themselves sees it.
    pub fn shown_to_self(self) -> ShownPresence {
        ShownPresence { is_online: Some(self.is_online), last_seen: self.last_seen }
    }

    /// The presence as the other user of `pair` sees it, by the user's settings. A block hides it.
    pub fn shown_in_pair(self, pair: &Pair, settings: &Settings) -> ShownPresence {
        match pair {
            pair if pair.is_blocked() => ShownPresence::default(),
            pair if pair.are_friends() => self.shown_to(Degree::Friend, settings),
            _ => self.shown_to(Degree::Everyone, settings),
        }
    }

    /// The presence as another user of this degree sees it, by the user's settings.
    pub fn shown_to(self, degree: Degree, settings: &Settings) -> ShownPresence {
        ShownPresence {
            is_online: settings.online_shown_to.includes(degree).then_some(self.is_online),
            last_seen: self.last_seen.filter(|_| settings.last_seen_shown_to.includes(degree)),
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

    fn online() -> Presence {
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
    fn each_field_is_shown_to_the_audience_of_its_own_setting() {
        for are_friends in [false, true] {
            let may_see =
                |audience| audience == Audience::Everyone || audience == Audience::Friends && are_friends;
            for (online_to, last_seen_to) in ALL.iter().flat_map(|a| ALL.iter().map(move |b| (*a, *b))) {
                let shown = online().shown_in_pair(&pair(are_friends), &settings(online_to, last_seen_to));
                assert_eq!(
                    shown.is_online,
                    may_see(online_to).then_some(true),
                    "{online_to:?}, {are_friends}"
                );
                assert_eq!(
                    shown.last_seen.is_some(),
                    may_see(last_seen_to),
                    "{last_seen_to:?}, {are_friends}"
                );
            }
        }
    }

    #[test]
    fn a_block_in_either_direction_hides_everything() {
        let everyone = settings(Audience::Everyone, Audience::Everyone);
        let since = Some(Timestamp::from_seconds(0));
        for blocked in
            [Pair { blocked_by_low: since, ..pair(true) }, Pair { blocked_by_high: since, ..pair(false) }]
        {
            assert_eq!(online().shown_in_pair(&blocked, &everyone), ShownPresence::default());
        }
    }

    #[test]
    fn a_user_sees_their_own_presence_and_by_default_only_friends_do_too() {
        assert_eq!(online().shown_to_self(), online().shown_in_pair(&pair(true), &Settings::default()));
        assert_eq!(online().shown_in_pair(&pair(false), &Settings::default()), ShownPresence::default());
    }
}
