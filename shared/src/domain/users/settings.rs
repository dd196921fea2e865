//! Privacy settings: what a user lets others see and do.

use serde::{Deserialize, Serialize};

use crate::domain::relationships::access::Audience;

/// The privacy settings of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Who finds the user by a part of the username. Friends always do.
    pub findable_by: Audience,
    /// Whether others find the user by the exact email address.
    pub findable_by_email: bool,
    /// Who may send the user friend requests.
    pub requests_from: Audience,
    /// Who may open a direct room with the user. No other user may add the user to a group either.
    pub messages_from: Audience,
    /// Who may add the user to a group, of those who may send messages.
    pub groups_from: Audience,
    /// Who sees whether the user is online.
    pub online_shown_to: Audience,
    /// Who sees when the user was last online.
    pub last_seen_shown_to: Audience,
    /// Whether the user shows read receipts. A user who hides them does not see those of others either.
    pub read_receipts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            findable_by: Audience::Everyone,
            findable_by_email: false,
            requests_from: Audience::Everyone,
            messages_from: Audience::Everyone,
            groups_from: Audience::Everyone,
            online_shown_to: Audience::Friends,
            last_seen_shown_to: Audience::Friends,
            read_receipts: true,
        }
    }
}

/// A change of privacy settings. `None` keeps a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// See [`Settings::findable_by`].
    pub findable_by: Option<Audience>,
    /// See [`Settings::findable_by_email`].
    pub findable_by_email: Option<bool>,
    /// See [`Settings::requests_from`].
    pub requests_from: Option<Audience>,
    /// See [`Settings::messages_from`].
    pub messages_from: Option<Audience>,
    /// See [`Settings::groups_from`].
    pub groups_from: Option<Audience>,
    /// See [`Settings::online_shown_to`].
    pub online_shown_to: Option<Audience>,
    /// See [`Settings::last_seen_shown_to`].
    pub last_seen_shown_to: Option<Audience>,
    /// See [`Settings::read_receipts`].
    pub read_receipts: Option<bool>,
}

impl SettingsChange {
    /// Whether the change sets an audience of the user's presence, even to its current value.
    pub fn concerns_presence(&self) -> bool {
        self.online_shown_to.is_some() || self.last_seen_shown_to.is_some()
    }

    /// Applies the change.
    pub fn apply(&self, settings: &mut Settings) {
        let Settings {
            findable_by,
            findable_by_email,
            requests_from,
            messages_from,
            groups_from,
            online_shown_to,
            last_seen_shown_to,
            read_receipts,
        } = settings;
        let audiences = [
            (findable_by, self.findable_by),
            (requests_from, self.requests_from),
            (messages_from, self.messages_from),
            (groups_from, self.groups_from),
            (online_shown_to, self.online_shown_to),
            (last_seen_shown_to, self.last_seen_shown_to),
        ];
        for (audience, new) in audiences {
            *audience = new.unwrap_or(*audience);
        }
        for (flag, new) in [(findable_by_email, self.findable_by_email), (read_receipts, self.read_receipts)]
        {
            *flag = new.unwrap_or(*flag);
        }
    }
}
