//! Profiles, the claims to usernames and e-mail addresses, and the search index.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Store,
    item::{Query, read, sk},
    keys,
    table::Transacted,
};
use crate::{
    clock::Timestamp,
    domain::{
        privacy::Settings,
        profile::{Newcomer, Profile},
        username,
    },
    error::{Error, Result},
    id::UserId,
};

/// A claim to a username or an e-mail address.
#[derive(Serialize, Deserialize)]
struct Claim {
    user_id: UserId,
}

/// How many indexed ends a search reads at a time, and how often: one person may stand among them many times.
const SEARCH_ITEMS: usize = 100;
const SEARCH_READS: usize = 5;

impl Store {
    /// A person's profile.
    pub async fn profile(&self, user: UserId) -> Result<Option<Profile>> {
        self.table.get(keys::profile(user), true).await
    }

    /// Profiles by id; those that do not exist are left out.
    pub async fn profiles(&self, users: &[UserId]) -> Result<HashMap<UserId, Profile>> {
        let keys = users.iter().copied().map(keys::profile);
        let items = self.table.batch_get(keys, true).await?;
        let profiles = items.into_iter().map(read::<Profile>);
        profiles.map(|profile| profile.map(|profile| (profile.id, profile))).collect()
    }

    /// The person's profile, made now if they come for the first time.
    pub async fn profile_or_new(&self, user: UserId, newcomer: &Newcomer, now: Timestamp) -> Result<Profile> {
        if let Some(profile) = self.profile(user).await? {
            return Ok(profile);
        }
        let mut email = newcomer.email.as_deref().map(email_hash);
        let mut names = username::candidates(newcomer.username.as_deref(), user).into_iter().peekable();
        while let Some(name) = names.peek() {
            let profile = Profile {
                id: user,
                username: name.clone(),
                display_name: newcomer.display_name.clone(),
                avatar_url: newcomer.avatar_url.clone(),
                settings: Settings::default(),
                created_at: now,
            };
            match self.create_profile(&profile, email.as_deref()).await? {
                Created::Yes => return Ok(profile),
                Created::UserExists => break,
                Created::UsernameTaken => drop(names.next()),
                Created::EmailTaken => email = None,
            }
        }
        // Another call of the same person, at the same moment, was first. Nobody else can have taken every candidate:
        // the last one holds the whole id.
        self.profile(user).await?.ok_or_else(|| Error::internal("a new profile could not be made"))
    }

    /// Profile, claims and search index in one transaction, each new or none at all.
    async fn create_profile(&self, profile: &Profile, email: Option<&str>) -> Result<Created> {
        let folded = username::fold(&profile.username);
        let claim = Claim { user_id: profile.id };
        let mut writes = vec![
            self.put_new(keys::profile(profile.id), profile)?,
            self.put_new(keys::username_claim(&folded), &claim)?,
        ];
        for suffix in username::suffixes(&folded) {
            writes.push(
                self.put(keys::search_suffix(&username::partition(suffix), suffix, profile.id), &claim)?,
            );
        }
        let email_at = writes.len();
        if let Some(email) = email {
            writes.push(self.put_new(keys::email_claim(email), &claim)?);
        }
        Ok(match self.table.transact(writes).await? {
            Transacted::Written => Created::Yes,
            Transacted::Refused(at) if at.contains(&0) => Created::UserExists,
            Transacted::Refused(at) if at.contains(&email_at) && !at.contains(&1) => Created::EmailTaken,
            Transacted::Refused(_) => Created::UsernameTaken,
        })
    }

    /// The people whose username holds `query` (folded, at least two characters), or whose e-mail address it is
    /// if they allow that. In the order of the index; the caller is never among them.
    pub async fn search_users(&self, query: &str, caller: UserId, limit: usize) -> Result<Vec<Profile>> {
        let (found, by_email) =
            futures::try_join!(self.users_named(query, caller, limit), self.user_of_email(query))?;
        let asked: Vec<UserId> = found.iter().copied().chain(by_email).collect();
        let mut profiles = self.profiles(&asked).await?;
        let owner = by_email.and_then(|user| profiles.remove(&user));
        let owner = owner.filter(|owner| owner.settings.findable_by_email && owner.id != caller);
        let named = found.iter().filter_map(|user| profiles.remove(user));
        Ok(owner.into_iter().chain(named).take(limit).collect())
    }

    async fn users_named(&self, query: &str, caller: UserId, limit: usize) -> Result<Vec<UserId>> {
        let range = keys::search(&username::partition(query), query);
        let (mut found, mut last) = (Vec::new(), None);
        for _ in 0..SEARCH_READS {
            let page = self.table.query(Query::of(range.clone()).after(last).limit(SEARCH_ITEMS)).await?;
            let is_whole = page.len() < SEARCH_ITEMS;
            last = page.last().map(|item| sk(item).to_owned());
            for item in page {
                let Claim { user_id } = read(item)?;
                if user_id != caller && !found.contains(&user_id) {
                    found.push(user_id);
                }
            }
            if is_whole || found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
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

/// How an attempt to make a profile ended.
enum Created {
    Yes,
    UserExists,
    UsernameTaken,
    EmailTaken,
}

/// The hex SHA-256 of a folded address: the table holds no addresses.
fn email_hash(email: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(username::fold(email).as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
