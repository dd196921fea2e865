//! Quotas: one item per user holds how many requests, friends, blocks, devices and rooms the user has. The
//! transactions that add or remove one also change the item, under the condition of its limit.
//!
//! The item also holds whether the account is deleted, so that a deleted account gets nothing new, and the
//! revision of the profile, so that a new membership never shows an outdated profile.

use crate::{
    domain::{
        accounts::{Account, TOKEN_BEFORE_DELETION},
        users::quota::Quota,
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{Condition, Update},
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
}

impl QuotaChange {
    /// An empty change. `actor` decides the wording of a refusal: "You …" or "This person …".
    pub fn of(user: UserId, actor: UserId) -> Self {
        let is_own = user == actor;
        Self { user, is_own, changes: Vec::new(), requires_active: false, profile_rev: None }
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

    fn growing(&self) -> Option<Quota> {
        self.changes.iter().find(|(_, count)| *count > 0).map(|(quota, _)| *quota)
    }

    fn update(&self) -> Result<Update> {
        let terms: Vec<String> = (0..self.changes.len()).map(|n| format!("#n{n} :n{n}")).collect();
        let mut update = Update::of(keys::quotas(self.user), format!("ADD {}", terms.join(", ")));
        let mut conditions = vec![IS_ACTIVE.to_owned()];
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
    /// Why a change of a quota failed: an error if the account is deleted or the quota exhausted. Otherwise
    /// the account or its profile has changed, and the caller has to read again.
    pub(in crate::store) async fn check_quota_failure(&self, change: &QuotaChange) -> Result<()> {
        match (self.account(change.user).await?, change.growing()) {
            (Some(Account::Deleted(_)), _) if change.is_own => Err(TOKEN_BEFORE_DELETION),
            (Some(Account::Deleted(_)), _) => Err(Error::NotFound),
            (Some(Account::Active(profile)), _)
                if change.profile_rev.is_some_and(|rev| rev != profile.rev) =>
            {
                Ok(())
            }
            (_, Some(quota)) => Err(quota.refusal(change.is_own).into()),
            // The account was deleted when the transaction was tried, and has been recreated since.
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
