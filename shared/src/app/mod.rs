//! The operations of the functions, by domain. They combine rules, store, wire and push.

mod access;
mod accounts;
mod devices;
mod discovery;
mod fanout;
mod messages;
mod presence;
mod profiles;
mod rate_limit;
mod receipts;
mod relationships;
mod reports;
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
    domain::users::profile::Profile,
    error::{Error, Result},
    id::UserId,
    push::Push,
    store::Store,
};

/// The state of a function's process: configuration, clock and clients. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The deployment's configuration.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The table.
    pub store: Store,
    /// Frames to live connections.
    pub push: Push,
    tokens: Verifier,
    profiles: Arc<Mutex<HashMap<UserId, CachedProfile>>>,
}

/// What a process remembers of a profile that it has read.
#[derive(Clone, Copy)]
struct CachedProfile {
    /// When it was read.
    at: Timestamp,
    /// When the user's previous account was deleted, if there was one.
    previous_deletion: Option<Timestamp>,
}

/// The maximum number of cached profiles. Beyond it, the cache is cleared.
const MAX_CACHED_PROFILES: usize = 10_000;

/// How long a profile is cached: the longest time that a process treats a deleted account as active.
const PROFILE_TTL: chrono::Duration = chrono::Duration::seconds(60);

/// Bounds of one call to DynamoDB. A slow attempt is retried, at first after a delay as short as a round
/// trip. All attempts together stay below the functions' timeout, so that the caller receives an error of
/// this API.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(25);

/// How calls to DynamoDB are retried.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_BACKOFF)
}

/// The timeouts of calls to DynamoDB.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

impl App {
    /// The app of a function's process: configuration from the environment, clients created once.
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

    /// An app of the given parts.
    pub fn new(config: Config, clock: Clock, store: Store, push: Push) -> Self {
        let tokens = Verifier::new(&config.tokens, &Http::default());
        Self { config, clock, store, push, tokens, profiles: Arc::default() }
    }

    /// The same app for one call at this time: everything that the call does has the same date.
    #[must_use]
    pub fn at(&self, time: Option<Timestamp>) -> Self {
        let clock = time.map_or_else(|| self.clock.clone(), Clock::fixed);
        Self { clock, ..self.clone() }
    }

    /// The current time, or the time of the call.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The identity that a token proves.
    pub async fn verify(&self, token: &str) -> Result<Identity> {
        if self.config.tokens.is_empty() {
            return Err(Error::internal("none of JWT_SECRET, JWT_NEXT_SECRET and JWT_ISSUERS is set"));
        }
        self.tokens.verify(token, self.now()).await
    }

    fn cache_profile(&self, profile: &Profile) {
        let mut cache = self.cached_profiles();
        if cache.len() >= MAX_CACHED_PROFILES {
            cache.clear();
        }
        let previous_deletion = profile.previous_deletion;
        cache.insert(profile.id, CachedProfile { at: self.now(), previous_deletion });
    }

    fn cached_profile(&self, user: UserId) -> Option<CachedProfile> {
        let cached = self.cached_profiles().get(&user).copied();
        cached.filter(|cached| self.now().since(cached.at).abs() < PROFILE_TTL)
    }

    fn uncache_profile(&self, user: UserId) {
        self.cached_profiles().remove(&user);
    }

    fn cached_profiles(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, CachedProfile>> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
