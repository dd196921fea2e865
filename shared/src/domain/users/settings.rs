//! Privacy settings: what a user lets others see and do.

use serde::{Deserialize, Serialize};

use crate::domain::relationships::access::Audience;

/// What a person lets others see and do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Who finds them by a part of their username; friends always do.
    pub findable_by: Audience,
    /// Whether their exact e-mail address finds them.
    pub findable_by_email: bool,
    /// Who may ask them to be friends.
    pub requests_from: Audience,
    /// Who may open a direct room with them or bring them into a group.
    pub messages_from: Audience,
    /// Who sees that they are online.
    pub online_shown_to: Audience,
    /// Who sees when they were last online.
    pub last_seen_shown_to: Audience,
    /// Whether others see what they have read, and they what others have.
    pub read_receipts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            findable_by: Audience::Everyone,
            findable_by_email: false,
            requests_from: Audience::Everyone,
            messages_from: Audience::Everyone,
            online_shown_to: Audience::Friends,
            last_seen_shown_to: Audience::Friends,
            read_receipts: true,
        }
    }
}

/// What somebody wants to become of their settings: what is absent stays.
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
    /// See [`Settings::online_shown_to`].
    pub online_shown_to: Option<Audience>,
    /// See [`Settings::last_seen_shown_to`].
    pub last_seen_shown_to: Option<Audience>,
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
