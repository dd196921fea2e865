//! Profiles, the claims to usernames and e-mail addresses, and the search index.

pub mod devices;
pub mod presence;
pub(in crate::store) mod profiles;
pub(in crate::store) mod quotas;
mod rate_limits;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    domain::{
        accounts::{Account, AccountDeletion},
        relationships::Pair,
        users::{
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
            item::{Query, read, sk},
            keys,
            table::Transacted,
        },
        users::profiles::search_keys,
    },
};

/// A claim to a username or an e-mail address.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct Claim {
    pub user_id: UserId,
}

/// An item that says no more than that it is there.
#[derive(Serialize)]
struct Nothing {}

/// How many indexed ends a search reads at a time, and how often: one person may stand among them many times.
const SEARCH_ITEMS: usize = 100;
const SEARCH_READS: usize = 5;

/// For so many people of one search friends in common are looked for, each of which may read a list of 5,000: for twice as
/// many as a search shows at the most.
const MAX_SEARCH_LOOKUPS: usize = 40;

impl Store {
    /// What is known of somebody, if anything.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>> {
        self.table.get(keys::profile(user), true).await
    }

    /// A person's profile. Who has deleted their account has none.
    pub async fn profile(&self, user: UserId) -> Result<Option<Profile>> {
        Ok(self.account(user).await?.and_then(here))
    }

    /// Profiles by id; those that do not exist are left out.
    pub async fn profiles(&self, users: &[UserId]) -> Result<HashMap<UserId, Profile>> {
        let keys = users.iter().copied().map(keys::profile);
        let items = self.table.batch_get(keys, true).await?;
        let mut profiles = HashMap::with_capacity(items.len());
        for item in items {
            profiles.extend(here(read(item)?).map(|profile| (profile.id, profile)));
        }
        Ok(profiles)
    }

    /// The person's profile, made now if they come for the first time.
    pub async fn profile_or_new(
        &self,
        user: UserId,
        newcomer: &TokenProfile,
        now: Timestamp,
    ) -> Result<Profile> {
        let account = self.account(user).await?;
        self.profile_after(account, user, newcomer, now).await
    }

    /// The same, where it is known what was there: nothing, a profile, or what is left of an account that was deleted.
    pub async fn profile_after(
        &self,
        before: Option<Account>,
        user: UserId,
        newcomer: &TokenProfile,
        now: Timestamp,
    ) -> Result<Profile> {
        let left = match before {
            Some(Account::Active(profile)) => return Ok(profile),
            Some(Account::Deleted(AccountDeletion { is_pending: true, .. })) => {
                return Err(Error::Busy("the account before is still being deleted".into()));
            }
            Some(Account::Deleted(departure)) => Some(departure.deleted_at),
            None => None,
        };
        let mut email_claim = newcomer.email.as_deref().map(email_hash);
        let mut names = username::candidates(newcomer.username.as_deref(), user).into_iter().peekable();
        while let Some(name) = names.peek() {
            let profile = Profile {
                id: user,
                username: name.clone(),
                display_name: newcomer.display_name.clone(),
                avatar_url: newcomer.avatar_url.clone(),
                settings: Settings::default(),
                created_at: now,
                rev: 1,
                email_claim: email_claim.clone(),
                previous_deletion: left,
                rooms_outdated: false,
            };
            match self.create_profile(&profile).await? {
                Created::Yes => return Ok(profile),
                Created::UserExists => break,
                Created::UsernameTaken => drop(names.next()),
                Created::EmailTaken => email_claim = None,
            }
        }
        // Another call of the same person, at the same moment, was first. Nobody else can have taken every candidate:
        // the last one holds the whole id.
        self.profile(user).await?.ok_or_else(|| Error::internal("a new profile could not be made"))
    }

    /// Profile, claims and search index in one transaction, each new or none at all.
    async fn create_profile(&self, profile: &Profile) -> Result<Created> {
        let folded = username::fold(&profile.username);
        let claim = Claim { user_id: profile.id };
        let mut writes = vec![
            match profile.previous_deletion {
                None => self.put_new(keys::profile(profile.id), profile)?,
                Some(_) => self.put_recreated_profile(profile)?,
            },
            self.put_new(keys::username_claim(&folded), &claim)?,
        ];
        if profile.previous_deletion.is_some() {
            // Those of the account before say that its person is gone.
            writes.push(self.put(keys::quotas(profile.id), Nothing {})?);
            writes.push(self.put(keys::presence(profile.id), Nothing {})?);
        }
        for key in search_keys(profile) {
            writes.push(self.put(key, &claim)?);
        }
        let email_at = writes.len();
        if let Some(email) = &profile.email_claim {
            writes.push(self.put_new(keys::email_claim(email), &claim)?);
        }
        Ok(match self.table.transact(&writes).await? {
            Transacted::Written => Created::Yes,
            Transacted::Refused(at) if at.contains(&0) => Created::UserExists,
            Transacted::Refused(at) if at.contains(&email_at) && !at.contains(&1) => Created::EmailTaken,
            Transacted::Refused(_) => Created::UsernameTaken,
        })
    }

    /// The people whom `caller` may find by `query` (folded, at least two characters): those whose username holds it, and
    /// the one whose e-mail address it is. What they are to the caller goes with them. In the order of the index; the caller
    /// is never among them.
    pub async fn search_users(
        &self,
        query: &str,
        caller: UserId,
        limit: usize,
    ) -> Result<Vec<(Profile, Pair)>> {
        let (mut found, by_email) =
            futures::try_join!(self.users_named(query, caller, limit), self.user_of_email(query))?;
        if let Some(owner) = by_email.filter(|owner| *owner != caller) {
            let owner = self.can_see(caller, owner).await;
            let owner = match owner {
                Err(Error::NotFound) => None,
                owner => Some(owner?).filter(|(owner, _)| owner.settings.findable_by_email),
            };
            found.retain(|(named, _)| owner.as_ref().is_none_or(|(owner, _)| owner.id != named.id));
            found.splice(0..0, owner);
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Those whose username holds `query` are looked at a few at a time, until enough of them may be found.
    async fn users_named(&self, query: &str, caller: UserId, limit: usize) -> Result<Vec<(Profile, Pair)>> {
        let range = keys::search(&username::partition(query), query);
        let (mut seen, mut found, mut last) = (HashSet::from([caller]), Vec::new(), None);
        let (nearness, mut looks) = (self.nearness(caller), MAX_SEARCH_LOOKUPS);
        for _ in 0..SEARCH_READS {
            let page = self.table.query(Query::of(range.clone()).after(last).limit(SEARCH_ITEMS)).await?;
            let is_whole = page.len() < SEARCH_ITEMS;
            last = page.last().map(|item| sk(item).to_owned());
            let named = page.into_iter().map(|item| Ok(read::<Claim>(item)?.user_id));
            let mut named: Vec<UserId> = named.collect::<Result<_>>()?;
            named.retain(|user| seen.insert(*user));
            for some in named.chunks(limit) {
                found.extend(self.findable(&nearness, some, &mut looks).await?);
                if found.len() >= limit {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
            if is_whole {
                break;
            }
        }
        Ok(found)
    }

    async fn user_of_email(&self, query: &str) -> Result<Option<UserId>> {
        if !query.contains('@') {
            return Ok(None);
        }
        let claim: Option<Claim> = self.table.get(keys::email_claim(&email_hash(query)), false).await?;
        Ok(claim.map(|claim| claim.user_id))
    }
}

/// The profile of somebody who is here.
fn here(account: Account) -> Option<Profile> {
    match account {
        Account::Active(profile) => Some(profile),
        Account::Deleted(_) => None,
    }
}

/// How an attempt to make a profile ended.
enum Created {
    Yes,
    UserExists,
    UsernameTaken,
    EmailTaken,
}

/// The hex SHA-256 of a folded address: the table holds no addresses.
fn email_hash(email: &str) -> String {
    sha256_hex(&username::fold(email))
}

/// The hex SHA-256 of a text.
pub(in crate::store) fn sha256_hex(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
