//! Quotas: one item per user holds how many requests, friends, blocks, devices and rooms the user has. The
//! transactions that add or remove one also change the item, under the condition of its limit.
//!
//! The item also holds whether the account is deleted, so that a deleted account gets nothing new; the
//! revision of the profile, so that a new membership never shows an outdated profile; and the rate limit of
//! additions to groups, so that the transaction that adds a member also counts the addition.

use std::collections::HashMap;

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{Account, TOKEN_BEFORE_DELETION},
        rooms::new_room::{CountedAddition, Invitee},
        users::quota::Quota,
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{self, Condition, Item, Update},
            keys,
            transaction::Transaction,
        },
    },
};

/// The account is not deleted.
const IS_ACTIVE: &str = "attribute_not_exists(is_deleted)";

/// The profile is at a revision. The first revision is not stored.
const IS_PROFILE_REV: &str = "(attribute_not_exists(profile_rev) OR profile_rev = :profile_rev)";

/// What one transaction changes of a user's quotas, and the conditions for it.
#[derive(Clone, Debug)]
pub(in crate::store) struct QuotaChange {
    user: UserId,
    is_own: bool,
    changes: Vec<(Quota, i64)>,
    requires_active: bool,
    profile_rev: Option<u64>,
    addition: Option<CountedAddition>,
}

/// What is stored of a user's quotas. What cannot be read counts as nothing.
#[derive(Debug, Default)]
pub struct StoredQuotas {
    requests_sent: i64,
    friends: i64,
    blocks: i64,
    devices: i64,
    rooms: i64,
    additions_tat: Option<i64>,
}

impl StoredQuotas {
    fn of(item: &Item) -> Self {
        let count = |quota| item::attribute(item, attribute(quota)).unwrap_or_default();
        Self {
            requests_sent: count(Quota::RequestsSent),
            friends: count(Quota::Friends),
            blocks: count(Quota::Blocks),
            devices: count(Quota::Devices),
            rooms: count(Quota::Rooms),
            additions_tat: item::attribute(item, "additions_tat"),
        }
    }

    /// How many the user has of a quota.
    pub fn count(&self, quota: Quota) -> u64 {
        let count = match quota {
            Quota::RequestsSent => self.requests_sent,
            Quota::Friends => self.friends,
            Quota::Blocks => self.blocks,
            Quota::Devices => self.devices,
            Quota::Rooms => self.rooms,
        };
        u64::try_from(count).unwrap_or_default()
    }

    /// The state of the rate limit of additions by users who are no friends.
    pub fn additions(&self) -> Option<Timestamp> {
        self.additions_tat.and_then(Timestamp::from_milliseconds)
    }
}

impl QuotaChange {
    /// An empty change. `actor` decides the wording of a refusal: "You …" or "This person …".
    pub fn of(user: UserId, actor: UserId) -> Self {
        let is_own = user == actor;
        let changes = Vec::new();
        Self { user, is_own, changes, requires_active: false, profile_rev: None, addition: None }
    }

    /// Adds `count` to a quota; growing requires an active account. One transaction adds to at most one quota
    /// of a user.
    pub fn add(mut self, quota: Quota, count: i64) -> Self {
        if count != 0 {
            self.changes.push((quota, count));
        }
        self.requires_active |= count > 0;
        self
    }

    /// Requires that the account is not deleted.
    pub fn require_active(mut self) -> Self {
        self.requires_active = true;
        self
    }

    /// Requires that the account is active, and its profile at this revision.
    pub fn require_profile_rev(mut self, rev: u64) -> Self {
        self.profile_rev = Some(rev);
        self.require_active()
    }

    /// Adds the user to a room, as decided: requires that the account is active, its profile is at the
    /// revision that was read, and no addition was counted since.
    pub fn add_member(mut self, invitee: &Invitee) -> Self {
        self.addition = invitee.counted;
        self.add(Quota::Rooms, 1).require_profile_rev(invitee.profile.rev)
    }

    fn growing(&self) -> Option<Quota> {
        self.changes.iter().find(|(_, count)| *count > 0).map(|(quota, _)| *quota)
    }

    fn update(&self) -> Result<Update> {
        let terms: Vec<String> = (0..self.changes.len()).map(|n| format!("#n{n} :n{n}")).collect();
        let mut update = Update::of(keys::quotas(self.user), format!("ADD {}", terms.join(", ")));
        let mut conditions = vec![IS_ACTIVE.to_owned()];
        if let Some(CountedAddition { before, after }) = self.addition {
            update.expression.push_str(" SET additions_tat = :after");
            update = update.value(":after", after.milliseconds())?;
            match before {
                Some(before) => {
                    conditions.push("additions_tat = :before".to_owned());
                    update = update.value(":before", before.milliseconds())?;
                }
                None => conditions.push("attribute_not_exists(additions_tat)".to_owned()),
            }
        }
        if let Some(rev) = self.profile_rev {
            conditions.push(IS_PROFILE_REV.to_owned());
            update = update.value(":profile_rev", rev)?;
        }
        for (n, (quota, count)) in self.changes.iter().enumerate() {
            update = update.name(format!("#n{n}"), attribute(*quota)).value(&format!(":n{n}"), count)?;
            if *count > 0 {
                conditions.push(format!("(attribute_not_exists(#n{n}) OR #n{n} < :limit)"));
                update = update.value(":limit", quota.limit())?;
            }
        }
        Ok(if self.requires_active { update.only_if(conditions.join(" AND ")) } else { update })
    }
}

impl<R> Transaction<'_, R> {
    /// Changes a user's quotas under the conditions of the change.
    pub(in crate::store) fn quota(&mut self, change: QuotaChange) -> Result<&mut Self> {
        if !change.changes.is_empty() {
            self.changes_quotas_of(change.user);
            self.update(change.update()?);
        } else if change.requires_active {
            self.check(keys::quotas(change.user), Condition::of(IS_ACTIVE));
        } else {
            return Ok(self);
        }
        Ok(if change.requires_active { self.or_refuse_quota(change) } else { self })
    }

    /// Marks a user's quotas as those of a deleted account: they grow no more.
    pub(in crate::store) fn close_quotas(&mut self, user: UserId) -> Result<&mut Self> {
        let close = Update::of(keys::quotas(user), "SET is_deleted = :deleted").value(":deleted", true)?;
        Ok(self.update(close))
    }

    /// Stores the revision of a user's profile.
    pub(in crate::store) fn set_profile_rev(&mut self, user: UserId, rev: u64) -> Result<&mut Self> {
        let set = Update::of(keys::quotas(user), "SET profile_rev = :rev").value(":rev", rev)?;
        Ok(self.update(set))
    }
}

impl Store {
    /// What is stored of a user's quotas.
    pub async fn quotas(&self, user: UserId) -> Result<StoredQuotas> {
        let item = self.table.get_item(keys::quotas(user), true).await?;
        Ok(item.as_ref().map(StoredQuotas::of).unwrap_or_default())
    }

    /// What is stored of the quotas of some users; none for a user without any.
    pub async fn quotas_of(&self, users: &[UserId]) -> Result<HashMap<UserId, StoredQuotas>> {
        let items = self.table.batch_get(users.iter().copied().map(keys::quotas), true).await?;
        let quotas = items.into_iter().filter_map(|item| {
            let user = keys::user_of(&item::key(&item)?.pk)?;
            Some((user, StoredQuotas::of(&item)))
        });
        Ok(quotas.collect())
    }

    /// Removes the quotas of some users that are not numbers, which no transaction can change. They count from
    /// 0 again. `false` if there are none.
    pub(in crate::store) async fn remove_unreadable_quotas(&self, users: &[UserId]) -> Result<bool> {
        let mut removed = false;
        for user in users {
            let Some(item) = self.table.get_item(keys::quotas(*user), true).await? else { continue };
            let is_unreadable =
                |quota: &Quota| item.get(attribute(*quota)).is_some_and(|value| !value.is_n());
            for quota in Quota::ALL.into_iter().filter(is_unreadable) {
                let (Some(key), Some(value)) = (item::key(&item), item.get(attribute(quota))) else {
                    continue;
                };
                tracing::error!(%key, quota = attribute(quota), "a quota cannot be read and is removed");
                let remove = Update::of(key, "REMOVE #quota").name("#quota", attribute(quota));
                let remove = remove.only_if("#quota = :value").attribute(":value", value.clone());
                self.table.update(remove).await?;
                removed = true;
            }
        }
        Ok(removed)
    }

    /// Why a change of a quota failed: an error if the account is deleted or the quota exhausted. Otherwise
    /// the account, its profile or its additions have changed, and the caller has to read again.
    pub(in crate::store) async fn check_quota_failure(&self, change: &QuotaChange) -> Result<()> {
        let (account, quotas) = futures::try_join!(self.account(change.user), self.quotas(change.user))?;
        let is_exhausted = |quota: &Quota| quotas.count(*quota) >= quota.limit();
        match (account, change.growing().filter(is_exhausted)) {
            (Some(Account::Deleted(_)), _) if change.is_own => Err(TOKEN_BEFORE_DELETION),
            (Some(Account::Deleted(_)), _) => Err(Error::NotFound),
            (Some(Account::Active(profile)), _)
                if change.profile_rev.is_some_and(|rev| rev != profile.rev) =>
            {
                Ok(())
            }
            (_, Some(quota)) => Err(quota.refusal(change.is_own).into()),
            // An addition was counted since, or the account was deleted then and has been recreated.
            (_, None) => Ok(()),
        }
    }
}

/// The attribute that holds a quota.
fn attribute(quota: Quota) -> &'static str {
    match quota {
        Quota::RequestsSent => "requests_sent",
        Quota::Friends => "friends",
        Quota::Blocks => "blocks",
        Quota::Devices => "devices",
        Quota::Rooms => "rooms",
    }
}
