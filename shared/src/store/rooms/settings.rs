//! Each member's own settings of a room.

use crate::{
    domain::rooms::{
        Room,
        settings::{RoomSettings, RoomSettingsChange},
    },
    error::{Error, Result},
    id::{RoomId, UserId},
    store::{
        Store,
        db::{
            item::{self, Update},
            keys,
        },
        rooms::read_my_room,
    },
};

impl Store {
    /// Changes a member's settings of a room. Two sequential round trips.
    ///
    /// Each setting is written on its own, so that concurrent changes of different settings both apply. The
    /// only condition is the member's entry, which is deleted with the membership.
    pub async fn change_room_settings(
        &self,
        me: UserId,
        room: RoomId,
        change: &RoomSettingsChange,
    ) -> Result<RoomSettings> {
        let open = self.table.get::<Room>(keys::meta(room), true).await?.filter(|room| !room.is_closed);
        open.ok_or(Error::NotFound)?;
        let changed = self.table.update(settings_update(me, room, change)?).await?.ok_or(Error::NotFound)?;
        Ok(read_my_room(room, changed).settings)
    }

    /// A member's settings of a room; the defaults for a user who is not a member.
    pub(in crate::store) async fn room_settings(&self, me: UserId, room: RoomId) -> Result<RoomSettings> {
        let mine = self.table.get_item(keys::my_room(me, room), true).await?;
        Ok(mine.map(|item| read_my_room(room, item).settings).unwrap_or_default())
    }
}

fn settings_update(me: UserId, room: RoomId, change: &RoomSettingsChange) -> Result<Update> {
    let fields = [
        ("muted_until", change.muted_until.as_ref().map(|time| time.map(item::value).transpose())),
        ("is_pinned", change.is_pinned.map(|is| item::value(is).map(Some))),
        ("is_archived", change.is_archived.map(|is| item::value(is).map(Some))),
        ("theme", change.theme.as_ref().map(|theme| theme.as_ref().map(item::value).transpose())),
    ];
    let (mut sets, mut removes, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (name, field) in fields {
        match field.transpose()? {
            Some(Some(value)) => {
                sets.push(format!("{name} = :{name}"));
                values.push((format!(":{name}"), value));
            }
            Some(None) => removes.push(name),
            None => {}
        }
    }
    let mut clauses = vec!["ADD version :one".to_owned()];
    if !sets.is_empty() {
        clauses.push(format!("SET {}", sets.join(", ")));
    }
    if !removes.is_empty() {
        clauses.push(format!("REMOVE {}", removes.join(", ")));
    }
    let mut update = Update::of(keys::my_room(me, room), clauses.join(" ")).only_if("attribute_exists(pk)");
    update.values.extend(values);
    update.value(":one", 1)
}
