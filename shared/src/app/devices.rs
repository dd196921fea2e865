//! Devices: signing out deletes the device, removes its connections, and then closes them.

use crate::{
    App, BestEffort, Result,
    id::{ConnectionId, DeviceId, UserId},
};

impl App {
    /// Signs a device out. Nothing is pushed to it from then on.
    pub async fn sign_out(&self, user: UserId, device: DeviceId) -> Result<()> {
        let now = self.now();
        self.store.delete_device(user, device).await?;
        let live = self.store.connections(&[user], now).await?.into_iter();
        let of_device = live.filter(|connection| connection.device_id == Some(device));
        let ids: Vec<ConnectionId> = of_device.map(|connection| connection.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let offline = self.store.remove_ended_connections(user, &ids, now).await?;
        self.push.close_all(&ids).await;
        if let Some(connections) = offline {
            let notified = self.push.notify_presence_now(connections, now).await;
            notified.can_fail("notifying friends of an offline user");
        }
        Ok(())
    }
}
