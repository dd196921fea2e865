//! How one person keeps a room, as they set and see it.

use serde::Serialize;

use super::fields::{Fields, Input};
use crate::{
    clock::Timestamp,
    domain::room_settings::{self, RoomSettings, RoomSettingsChange},
};

/// `PATCH /chat/rooms/{room_id}/settings`.
impl Input for RoomSettingsChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (muted_until, theme) = (fields.change("muted_until"), fields.change::<String>("theme"));
        if let Some(fault) = theme.iter().flatten().find_map(|theme| room_settings::theme_fault(theme)) {
            fields.fault("theme", fault);
        }
        let (is_pinned, is_archived) = (fields.optional("is_pinned"), fields.optional("is_archived"));
        Some(Self { muted_until, is_pinned, is_archived, theme })
    }
}

/// One person's settings of one room.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    muted_until: Option<Timestamp>,
    is_pinned: bool,
    is_archived: bool,
    theme: Option<String>,
    version: u64,
}

impl From<RoomSettings> for Settings {
    fn from(settings: RoomSettings) -> Self {
        let RoomSettings { muted_until, is_pinned, is_archived, theme, version } = settings;
        Self { muted_until, is_pinned, is_archived, theme, version }
    }
}
