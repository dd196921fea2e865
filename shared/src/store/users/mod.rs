//! Profiles, the claims to usernames and email addresses, and the search index.

pub mod devices;
pub mod presence;
pub(in crate::store) mod profiles;
pub mod quotas;
mod rate_limits;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{Account, AccountDeletion},
        users::{
            folding::fold_email,
            profile::{Profile, TokenProfile},
            settings::Settings,
            username,
        },
    },
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{Query, read_each, sk},
            keys,
            transaction::{CommitOutcome, Transaction},
        },
        users::profiles::search_keys,
    },
};

/// A claim to a username or an email address.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct Claim {
    pub user_id: UserId,
}

/// An item without attributes.
#[derive(Serialize)]
struct Empty {}

/// Entries of the search index per page.
const ENTRIES_PER_PAGE: usize = 100;

/// Why a profile was not created.
#[derive(Clone, Copy)]
enum Conflict {
    ProfileExists,
    UsernameTaken,
    EmailTaken,
}

impl Store {
    /// A user's account, active or deleted; `None` if there never was one.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>> {
        self.table.get(keys::profile(user), true).await
    }

    /// A user's profile. A deleted account has none.
    pub async fn profile(&self, user: UserId) -> Result<Option<Profile>> {
        Ok(self.account(user).await?.and_then(Account::profile))
    }

    /// The profiles of those of some users who exist.
    pub async fn profiles(&self, users: &[UserId]) -> Result<HashMap<UserId, Profile>> {
        let keys = users.iter().copied().map(keys::profile);
        let items = self.table.batch_get(keys, true).await?;
        let mut profiles = HashMap::with_capacity(items.len());
        for account in read_each::<Account>(items) {
            profiles.extend(account.profile().map(|profile| (profile.id, profile)));
        }
        Ok(profiles)
    }

    /// The user's profile, created on the first visit.
    pub async fn profile_or_new(
        &self,
        user: UserId,
        token: &TokenProfile,
        now: Timestamp,
    ) -> Result<Profile> {
        let account = self.account(user).await?;
        self.profile_after(account, user, token, now).await
    }

    /// The profile of an account that has been read; created if there is none, or the account was deleted.
    pub async fn profile_after(
        &self,
        before: Option<Account>,
        user: UserId,
        token: &TokenProfile,
        now: Timestamp,
    ) -> Result<Profile> {
        let previous_deletion = match before {
            Some(Account::Active(profile)) => return Ok(profile),
            Some(Account::Deleted(AccountDeletion { is_pending: true, .. })) => {
                return Err(Error::Busy("the deletion of the previous account is pending".into()));
            }
            Some(Account::Deleted(deletion)) => Some(deletion.deleted_at),
            None => None,
        };
        let mut email_claim = token.email.as_deref().map(|email| sha256_hex(&fold_email(email)));
        let mut names = username::candidates(token.username.as_deref(), user).into_iter().peekable();
        while let Some(name) = names.peek() {
            let profile = Profile {
                id: user,
                username: name.clone(),
                display_name: token.display_name.clone(),
                avatar_url: token.avatar_url.clone(),
                settings: Settings::default(),
                created_at: now,
                rev: 1,
                email_claim: email_claim.clone(),
                previous_deletion,
                rooms_outdated: false,
            };
            match self.create_profile(&profile).await? {
                None => return Ok(profile),
                Some(Conflict::ProfileExists) => break,
                Some(Conflict::UsernameTaken) => drop(names.next()),
                Some(Conflict::EmailTaken) => email_claim = None,
            }
        }
        // A concurrent call of the same user was first. No other user can hold every candidate: the last one
        // contains the whole id.
        self.profile(user).await?.ok_or_else(|| Error::internal("a new profile could not be created"))
    }

    /// Creates profile, claims and search index in one transaction.
    async fn create_profile(&self, profile: &Profile) -> Result<Option<Conflict>> {
        let claim = Claim { user_id: profile.id };
        let mut tx: Transaction<'_, Conflict> = self.transaction();
        match profile.previous_deletion {
            None => tx.put_new(keys::profile(profile.id), profile),
            Some(_) => tx.put_recreated_profile(profile),
        }
        .or_refuse(Conflict::ProfileExists);
        let folded = username::fold(&profile.username);
        tx.put_new(keys::username_claim(&folded), &claim).or_refuse(Conflict::UsernameTaken);
        if profile.previous_deletion.is_some() {
            // Those of the previous account are marked as deleted.
            tx.put(keys::quotas(profile.id), Empty {}).put(keys::presence(profile.id), Empty {});
        }
        for key in search_keys(profile) {
            tx.put(key, &claim);
        }
        if let Some(email) = &profile.email_claim {
            tx.put_new(keys::email_claim(email), &claim).or_refuse(Conflict::EmailTaken);
        }
        match tx.try_commit_through_conflicts().await? {
            CommitOutcome::Committed => Ok(None),
            CommitOutcome::Refused(conflicts) => Ok(conflicts.first().copied()),
            CommitOutcome::Stale => Err(Error::internal("a write without a condition failed")),
        }
    }

    /// One page of the users whose username contains `query`, and where the next page starts, if there is
    /// one. A user may appear several times.
    pub async fn users_by_name(
        &self,
        query: &str,
        after: Option<String>,
    ) -> Result<(Vec<UserId>, Option<String>)> {
        let range = keys::search(&username::partition(query), query);
        let page = self.table.query(Query::of(range).after(after).limit(ENTRIES_PER_PAGE)).await?;
        let is_full = page.len() >= ENTRIES_PER_PAGE;
        let next = page.last().filter(|_| is_full).map(|item| sk(item).to_owned());
        let users = read_each::<Claim>(page).into_iter().map(|claim| claim.user_id);
        Ok((users.collect(), next))
    }

    /// The user with an email address, as of [`fold_email`].
    pub async fn user_of_email(&self, address: &str) -> Result<Option<UserId>> {
        let claim = self.table.get_item(keys::email_claim(&sha256_hex(address)), false).await?;
        Ok(read_each::<Claim>(claim).first().map(|claim| claim.user_id))
    }
}

/// The hex SHA-256 of a text. Keys contain the hashes of email addresses and push tokens, not these.
pub(in crate::store) fn sha256_hex(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
