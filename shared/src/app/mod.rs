//! What one function holds from its cold start on.

mod accounts;
mod devices;
mod fanout;
mod messages;
mod pending_deletions;
mod presence;
mod profiles;
mod rate_limit;
pub mod receipts;
mod relationships;
mod rooms;
mod typing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};

use crate::{
    auth::{Http, Identity, Verifier},
    clock::{Clock, Timestamp},
    config::Config,
    domain::{accounts::invalidates_token, users::profile::Profile},
    error::{Error, Result},
    id::UserId,
    push::Push,
    store::Store,
};

/// Configuration, clock, store and push: cheap to clone, the same for every call.
#[derive(Clone)]
pub struct App {
    /// What the deployer chose.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The memory.
    pub store: Store,
    /// The way to people's devices.
    pub push: Push,
    tokens: Verifier,
    known: Arc<Mutex<HashMap<UserId, Known>>>,
}

/// Somebody whose profile a process has seen.
#[derive(Clone, Copy)]
struct Known {
    /// When.
    at: Timestamp,
    /// When they had deleted an account before it, if they did.
    previous_deletion: Option<Timestamp>,
}

/// People whose profile was seen are remembered per process; beyond so many, the memory starts anew.
const MAX_KNOWN: usize = 10_000;

/// They are remembered for so long: later than that, no process takes somebody for present who has deleted their account.
const KNOWN_FOR: chrono::Duration = chrono::Duration::seconds(60);

/// Bounds of one call to DynamoDB. An attempt that takes longer is made again, at first after a moment as short as a
/// round trip; all of them together stay below the functions' timeout, so that the caller gets an answer of ours.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(25);

/// How a call to DynamoDB is tried again.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACKOFF)
}

/// How long a call to DynamoDB may take.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

impl App {
    /// The app of a function's process: configuration from the environment, clients made once.
    pub async fn from_env() -> Result<Self> {
        let config = Config::from_env()?;
        let aws = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(retries())
            .timeout_config(timeouts())
            .load()
            .await;
        // Without a table, the first use of the store fails, not the start.
        let table = config.table.clone().unwrap_or_default();
        let store = Store::new(aws_sdk_dynamodb::Client::new(&aws), table);
        let push = Push::from_config(&aws, config.socket_endpoint.as_deref(), store.clone());
        Ok(Self::new(config, Clock::system(), store, push))
    }

    /// An app of given parts.
    pub fn new(config: Config, clock: Clock, store: Store, push: Push) -> Self {
        let tokens = Verifier::new(&config.tokens, &Http::default());
        Self { config, clock, store, push, tokens, known: Arc::default() }
    }

    /// The same app for one call that came at this time: all that the call does is dated alike.
    #[must_use]
    pub fn at(&self, time: Option<Timestamp>) -> Self {
        let clock = time.map_or_else(|| self.clock.clone(), Clock::fixed);
        Self { clock, ..self.clone() }
    }

    /// The present moment, or the time of the call.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who the token proves its bearer to be.
    pub async fn verify(&self, token: &str) -> Result<Identity> {
        if self.config.tokens.is_empty() {
            return Err(Error::internal("neither JWT_SECRET nor JWT_ISSUERS is set"));
        }
        self.tokens.verify(token, self.now()).await
    }

    /// Makes sure that a person who comes for the first time has a profile, and that who has deleted their account does not
    /// come by a token from before.
    pub async fn ensure_profile(&self, identity: &Identity) -> Result<()> {
        let (user, now) = (identity.user_id, self.now());
        let known = self.known().get(&user).copied();
        if let Some(known) = known.filter(|known| now.since(known.at).abs() < KNOWN_FOR)
            && known
                .previous_deletion
                .is_none_or(|deleted_at| !invalidates_token(deleted_at, identity.issued_at))
        {
            return Ok(());
        }
        let account = self.account(identity).await?;
        let profile = self.store.profile_after(account, user, &identity.profile, now).await?;
        self.remember(&profile);
        Ok(())
    }

    /// Remembers somebody whose profile has just been read.
    pub(crate) fn remember(&self, profile: &Profile) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(profile.id, Known { at: self.now(), previous_deletion: profile.previous_deletion });
    }

    /// Forgets somebody who has deleted their account.
    pub(crate) fn forget(&self, user: UserId) {
        self.known().remove(&user);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
