//! People's devices, and whose a push token is: one device's, of one person. A phone that changes hands brings nothing to
//! its former owner.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    domain::users::{device::Device, quota::Quota},
    error::{Error, Result},
    id::{DeviceId, UserId},
    store::{
        Store,
        accounts::is_back,
        db::{
            item::{self, Update},
            keys::{self, Key},
            table::{Transacted, wait_before_retry},
        },
        users::{
            quotas::{Given, Writes},
            sha256_hex,
        },
    },
};

/// How often a device or a token that others keep changing is read again.
const MAX_TRIES: u32 = 16;

/// A device as the table has it.
#[derive(Serialize, Deserialize)]
struct StoredDevice {
    #[serde(flatten)]
    device: Device,
    rev: u64,
}

/// Which device a push token belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    user_id: UserId,
    device_id: DeviceId,
}

/// The condition that a claim is still somebody's device's.
const IS_OF: &str = "user_id = :user AND device_id = :device";

impl Store {
    /// Registers a device, or says anew what it is. Its push token is no other device's any more, whoever's that was.
    /// Refused for one more than there may be.
    pub async fn register_device(&self, user: UserId, device: &Device) -> Result<()> {
        let claim = Claim { user_id: user, device_id: device.id };
        for attempt in 1..=MAX_TRIES {
            let (before, holder) = futures::try_join!(
                self.table.get::<StoredDevice>(keys::device(user, device.id), true),
                self.holder(device.push_token.as_deref()),
            )?;
            let is_held = device.push_token.is_none() || holder == Some(claim);
            if is_held && before.as_ref().is_some_and(|before| before.device.is_same_as(device)) {
                return Ok(());
            }
            let mut writes = self.put_device(user, before.as_ref(), device)?;
            if let Some(token) = &device.push_token {
                writes.extend(self.take_token(token, holder, claim)?);
            }
            let old = before.and_then(|before| before.device.push_token);
            if let Some(old) = old.filter(|old| device.push_token.as_ref() != Some(old)) {
                writes.push(self.release_token(&old, claim)?);
            }
            match self.table.transact(&writes.all).await {
                Ok(Transacted::Written) => return Ok(()),
                Ok(Transacted::Refused(at)) => self.check_gifts(&writes, &at, user).await?,
                // Others whose counts or tokens this moves may be in the way for longer than one call tries.
                Err(Error::Busy(_)) => {}
                Err(error) => return Err(error),
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy("the device is changed all the time".into()))
    }

    /// Forgets a device and its push token. One that is not there is forgotten already.
    pub async fn forget_device(&self, user: UserId, id: DeviceId) -> Result<()> {
        self.forget_device_if(user, id, None).await
    }

    /// The same for a device of somebody who is gone.
    pub async fn forget_device_of_deleted_account(&self, user: UserId, id: DeviceId) -> Result<()> {
        self.forget_device_if(user, id, Some(self.check_deleted(user)?)).await
    }

    async fn forget_device_if(
        &self,
        user: UserId,
        id: DeviceId,
        condition: Option<TransactWriteItem>,
    ) -> Result<()> {
        for attempt in 1..=MAX_TRIES {
            let key = keys::device(user, id);
            let Some(before) = self.table.get::<StoredDevice>(key.clone(), true).await? else {
                return Ok(());
            };
            let mut writes = Writes::default();
            writes.push(self.delete_at(key, before.rev)?);
            self.count(&mut writes, user, &[(Quota::Devices, -1)], Given::Nothing)?;
            if let Some(token) = &before.device.push_token {
                writes.push(self.release_token(token, Claim { user_id: user, device_id: id })?);
            }
            let last = writes.all.len();
            writes.extend(condition.clone());
            match self.table.transact(&writes.all).await {
                Ok(Transacted::Written) => return Ok(()),
                Ok(Transacted::Refused(at)) if at.contains(&last) => return Err(is_back()),
                Ok(Transacted::Refused(_)) | Err(Error::Busy(_)) => wait_before_retry(attempt).await,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy("the device is changed all the time".into()))
    }

    async fn holder(&self, token: Option<&str>) -> Result<Option<Claim>> {
        match token {
            Some(token) => self.table.get(token_key(token), true).await,
            None => Ok(None),
        }
    }

    /// The device in the place of what it was; a new one counts.
    fn put_device(&self, user: UserId, before: Option<&StoredDevice>, device: &Device) -> Result<Writes> {
        let key = keys::device(user, device.id);
        let stored = |rev| StoredDevice { device: device.clone(), rev };
        let mut writes = Writes::default();
        if let Some(before) = before {
            writes.push(self.replace(key, stored(before.rev + 1), before.rev)?);
        } else {
            writes.push(self.put_new(key, stored(1))?);
            self.count(&mut writes, user, &[(Quota::Devices, 1)], Given::Something)?;
        }
        Ok(writes)
    }

    /// The token becomes a device's, and ceases to be that of the one which holds it.
    fn take_token(&self, token: &str, holder: Option<Claim>, claim: Claim) -> Result<Vec<TransactWriteItem>> {
        let key = token_key(token);
        match holder {
            None => Ok(vec![self.put_new(key, claim)?]),
            Some(holder) if holder == claim => Ok(Vec::new()),
            Some(holder) => {
                let lost = Update::of(
                    keys::device(holder.user_id, holder.device_id),
                    "REMOVE push_token SET rev = rev + :one",
                );
                let lost = lost.only_if("push_token = :token").value(":one", 1)?.value(":token", token)?;
                Ok(vec![self.replace_claim(key, holder, claim)?, self.update(lost)?])
            }
        }
    }

    fn replace_claim(&self, key: Key, holder: Claim, claim: Claim) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(self.table.name()).set_item(Some(item::item(key, claim)?));
        let [user, device] = holder.values();
        let put = put.condition_expression(IS_OF).expression_attribute_values(":user", user);
        let put = put.expression_attribute_values(":device", device).build().map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The token is nobody's any more.
    fn release_token(&self, token: &str, holder: Claim) -> Result<TransactWriteItem> {
        let key = item::attributes(token_key(token));
        let delete = Delete::builder().table_name(self.table.name()).set_key(Some(key));
        let [user, device] = holder.values();
        let delete = delete.condition_expression(IS_OF).expression_attribute_values(":user", user);
        let delete = delete.expression_attribute_values(":device", device).build();
        Ok(TransactWriteItem::builder().delete(delete.map_err(Error::internal)?).build())
    }
}

impl Claim {
    fn values(self) -> [AttributeValue; 2] {
        [self.user_id.to_string(), self.device_id.to_string()].map(AttributeValue::S)
    }
}

fn token_key(token: &str) -> Key {
    keys::push_token_claim(&sha256_hex(token))
}
