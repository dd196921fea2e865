//! Devices and push tokens. A push token belongs to one device of one user, so a phone that changes hands
//! receives nothing for its former owner.

use std::cmp::Reverse;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use crate::{
    domain::users::{device::Device, quota::Quota},
    error::Result,
    id::{DeviceId, UserId},
    store::{
        Store,
        accounts::account_recreated,
        db::{
            item::{self, Condition, Query, Update, read_each},
            keys::{self, Key},
            transaction::{Attempt, Transaction, retrying},
        },
        users::{quotas::QuotaChange, sha256_hex},
    },
};

/// Why a change of a device gives up.
const DEVICE_IS_BUSY: &str = "the device keeps changing";

/// A device as stored.
#[derive(Serialize, Deserialize)]
struct StoredDevice {
    #[serde(flatten)]
    device: Device,
    rev: u64,
}

/// The device that a push token belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct PushTokenClaim {
    user_id: UserId,
    device_id: DeviceId,
}

impl PushTokenClaim {
    /// The token belongs to this device.
    fn is_holder(self) -> Condition {
        self.condition("user_id = :user AND device_id = :device")
    }

    /// The token belongs to this device, or the claim names no device.
    fn is_holder_or_unreadable(self) -> Condition {
        let expression = "(user_id = :user AND device_id = :device) \
                          OR NOT attribute_type(user_id, :text) OR size(user_id) <> :length \
                          OR NOT attribute_type(device_id, :text) OR size(device_id) <> :length";
        let length = AttributeValue::N(uuid::fmt::Hyphenated::LENGTH.to_string());
        self.condition(expression)
            .attribute(":text", AttributeValue::S("S".to_owned()))
            .attribute(":length", length)
    }

    fn condition(self, expression: &str) -> Condition {
        Condition::of(expression)
            .attribute(":user", AttributeValue::S(self.user_id.to_string()))
            .attribute(":device", AttributeValue::S(self.device_id.to_string()))
    }
}

impl Store {
    /// Registers a device, or updates it. Its push token moves here from any other device. Refused beyond the
    /// quota.
    pub async fn register_device(&self, user: UserId, device: &Device) -> Result<()> {
        let claim = PushTokenClaim { user_id: user, device_id: device.id };
        retrying(DEVICE_IS_BUSY, || async {
            let (before, holder) = futures::try_join!(
                self.table.get::<StoredDevice>(keys::device(user, device.id), true),
                self.holder(device.push_token.as_deref()),
            )?;
            let is_held = device.push_token.is_none() || holder == Some(claim);
            if is_held && before.as_ref().is_some_and(|before| before.device.is_same_as(device)) {
                return Ok(Attempt::Done(()));
            }
            let mut tx = self.transaction();
            tx.put_device(user, before.as_ref(), device)?;
            if let Some(token) = &device.push_token {
                tx.take_token(token, holder, claim)?;
            }
            let previous = before.and_then(|before| before.device.push_token);
            if let Some(previous) = previous.filter(|previous| device.push_token.as_ref() != Some(previous)) {
                tx.release_token(&previous, claim);
            }
            tx.commit().await
        })
        .await
    }

    /// The devices of a user, the latest registration first. The quota bounds their number.
    pub async fn devices(&self, user: UserId) -> Result<Vec<Device>> {
        let items = self.table.query(Query::of(keys::devices(user)).consistent()).await?;
        let stored = read_each::<StoredDevice>(items).into_iter();
        let mut devices: Vec<Device> = stored.map(|stored| stored.device).collect();
        devices.sort_by_key(|device| (Reverse(device.registered_at), device.id));
        Ok(devices)
    }

    /// Deletes a device and releases its push token. Idempotent.
    pub async fn delete_device(&self, user: UserId, id: DeviceId) -> Result<()> {
        retrying(DEVICE_IS_BUSY, || async {
            let Some(tx) = self.device_deletion(user, id).await? else { return Ok(Attempt::Done(())) };
            tx.commit().await
        })
        .await
    }

    /// Deletes a device of a deleted account, and releases its push token, unless the account has been
    /// recreated. Idempotent.
    pub async fn delete_device_of_deleted_account(&self, user: UserId, id: DeviceId) -> Result<()> {
        retrying(DEVICE_IS_BUSY, || async {
            let Some(mut tx) = self.device_deletion(user, id).await? else { return Ok(Attempt::Done(())) };
            tx.check_deleted(user).or_refuse(account_recreated());
            tx.commit().await
        })
        .await
    }

    /// The transaction that deletes a device; `None` if it does not exist.
    async fn device_deletion(&self, user: UserId, id: DeviceId) -> Result<Option<Transaction<'_>>> {
        let key = keys::device(user, id);
        // A device that cannot be read is deleted, too.
        let Some(before) = self.table.get_item(key.clone(), true).await? else { return Ok(None) };
        let mut tx = self.transaction();
        tx.delete_if(key, Condition::at_revision_of(&before));
        tx.quota(QuotaChange::of(user, user).add(Quota::Devices, -1))?;
        if let Some(token) = item::attribute::<String>(&before, "push_token") {
            tx.release_token(&token, PushTokenClaim { user_id: user, device_id: id });
        }
        Ok(Some(tx))
    }

    async fn holder(&self, token: Option<&str>) -> Result<Option<PushTokenClaim>> {
        match token {
            Some(token) => self.table.get(token_key(token), true).await,
            None => Ok(None),
        }
    }
}

impl<R> Transaction<'_, R> {
    /// Replaces a device, or creates it and counts it.
    fn put_device(&mut self, user: UserId, before: Option<&StoredDevice>, device: &Device) -> Result<()> {
        let key = keys::device(user, device.id);
        let stored = |rev| StoredDevice { device: device.clone(), rev };
        if let Some(before) = before {
            self.replace(key, stored(before.rev + 1), before.rev);
        } else {
            self.put_new(key, stored(1));
            self.quota(QuotaChange::of(user, user).add(Quota::Devices, 1))?;
        }
        Ok(())
    }

    /// Moves a push token to a device from the one that holds it.
    fn take_token(
        &mut self,
        token: &str,
        holder: Option<PushTokenClaim>,
        claim: PushTokenClaim,
    ) -> Result<()> {
        match holder {
            None => {
                self.put_new(token_key(token), claim);
            }
            Some(holder) if holder == claim => {}
            Some(holder) => {
                let device = keys::device(holder.user_id, holder.device_id);
                let lose = Update::of(device, "REMOVE push_token SET rev = rev + :one");
                let lose = lose.only_if("push_token = :token").value(":one", 1)?.value(":token", token)?;
                self.replace_if(token_key(token), claim, holder.is_holder()).update(lose);
            }
        }
        Ok(())
    }

    /// Releases a push token. A claim that cannot be read is that of the device with the token.
    fn release_token(&mut self, token: &str, holder: PushTokenClaim) {
        self.delete_if(token_key(token), holder.is_holder_or_unreadable());
    }
}

fn token_key(token: &str) -> Key {
    keys::push_token_claim(&sha256_hex(token))
}
