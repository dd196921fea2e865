//! Presence: whether a user is online, when they were last online, and who may see it.

use crate::{
    clock::Timestamp,
    domain::{
        relationships::{Pair, access::Degree},
        users::settings::Settings,
    },
    id::{ConnectionId, DeviceId, UserId},
};
use chrono::Duration;
use serde::{Deserialize, Serialize};

/// The minimum time between two notifications of a user's friends.
pub const NOTIFICATION_INTERVAL: Duration = Duration::seconds(10);

/// A call that waits to notify friends has failed if it has not done so this long after the end of its wait:
/// longer than any function runs.
const WAIT_TIMEOUT: Duration = Duration::seconds(30);

/// API Gateway returns 410 for a connection until its `$connect` has returned. It has by this time.
pub const CONNECT_TIMEOUT: Duration = Duration::seconds(60);

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

impl Connection {
    /// Whether the gateway may not have opened the connection yet, so that it cannot be closed.
    pub fn may_be_opening(&self, now: Timestamp) -> bool {
        now.since(self.since) < CONNECT_TIMEOUT
    }
}

/// The last notification of a user's friends of the user's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastNotification {
    /// When it was sent.
    pub at: Option<Timestamp>,
    /// Whether the user was online. `None` if friends may have seen another state since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_online: Option<bool>,
    /// When a waiting call will send the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

impl LastNotification {
    /// When a call notifies friends that the user is online or offline: now, or after a wait if the last
    /// notification is too recent. `None` if they know, or another call that waits will notify them.
    pub fn next(self, is_online: bool, now: Timestamp) -> Option<Timestamp> {
        let is_covered = self.next_at.is_some_and(|next| now.since(next) < WAIT_TIMEOUT);
        let is_known = self.is_online == Some(is_online) || (self.at.is_none() && !is_online);
        if is_covered || is_known {
            return None;
        }
        let earliest = self.at.map_or(now, |at| at.plus(NOTIFICATION_INTERVAL));
        // The clock that set the last time may be ahead.
        Some(earliest.clamp(now, now.plus(NOTIFICATION_INTERVAL)))
    }

    /// The state once friends are notified at `at`, which is later than `now` for a call that waits. Until
    /// then friends may see any state.
    #[must_use]
    pub fn claimed(self, is_online: bool, at: Timestamp, now: Timestamp) -> Self {
        if at > now {
            Self { is_online: None, next_at: Some(at), ..self }
        } else {
            Self { at: Some(at), is_online: Some(is_online), next_at: None }
        }
    }
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

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_770_000_000 + seconds)
    }

    #[test]
    fn friends_are_notified_at_once_and_then_at_most_every_ten_seconds() {
        let never = LastNotification::default();
        assert_eq!([never.next(false, at(0)), never.next(true, at(0))], [None, Some(at(0))]);
        let online = never.claimed(true, at(0), at(0));
        assert_eq!([online.next(true, at(3)), online.next(true, at(300))], [None, None], "they know");
        assert_eq!(
            [3, 10, 300].map(|now| online.next(false, at(now))),
            [10, 10, 300].map(|then| Some(at(then)))
        );
        assert_eq!(online.next(false, at(-60)), Some(at(-50)), "with a clock that is behind");
    }

    #[test]
    fn one_call_waits_for_all_changes_within_the_interval() {
        let waiting = LastNotification::default().claimed(true, at(0), at(0)).claimed(false, at(10), at(3));
        for (is_online, now) in [(true, 4), (false, 5), (true, 10), (false, 39)] {
            assert_eq!(waiting.next(is_online, at(now)), None);
        }
        for is_online in [true, false] {
            assert_eq!(waiting.next(is_online, at(40)), Some(at(40)), "the waiting call has failed");
            let notified = waiting.claimed(is_online, at(10), at(10));
            assert_eq!(
                [notified.next(is_online, at(11)), notified.next(!is_online, at(11))],
                [None, Some(at(20))]
            );
        }
    }
}
