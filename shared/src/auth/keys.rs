//! The cached keys of one issuer. They are fetched on the first use, refreshed every hour, and fetched again
//! when a token names an unknown key.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::Duration;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::{
    auth::{fetch::Http, key_set::KeySet},
    clock::Timestamp,
    error::{Error, Result},
};

/// The age at which keys are fetched again in the background.
const REFRESH_AFTER: Duration = Duration::hours(1);

/// The maximum age of keys. While the issuer is unreachable, a withdrawn key is accepted for this long.
const MAX_AGE: Duration = Duration::hours(24);

/// The minimum time between two fetches, whatever key ids tokens have.
const FETCH_INTERVAL: Duration = Duration::minutes(1);

/// The minimum time between two fetches while no keys are cached.
const FETCH_INTERVAL_WITHOUT_KEYS: Duration = Duration::seconds(5);

/// The keys at one URL.
pub(super) struct Keys {
    url: String,
    http: Http,
    cache: Mutex<Cache>,
    /// Locked during a fetch.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// The last fetched keys and the last fetch, with their times.
#[derive(Clone, Default)]
struct Cache {
    set: Option<(Arc<KeySet>, Timestamp)>,
    last_fetch: Option<(Timestamp, FetchOutcome)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FetchOutcome {
    Succeeded,
    Failed,
}

impl Cache {
    fn valid_keys(&self, now: Timestamp) -> Option<&KeySet> {
        self.set.as_ref().filter(|(_, fetched)| distance(now, *fetched) <= MAX_AGE).map(|(set, _)| &**set)
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Option<DecodingKey> {
        self.valid_keys(now)?.find(id, algorithm).cloned()
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        let has_keys = self.valid_keys(now).is_some();
        let interval = if has_keys { FETCH_INTERVAL } else { FETCH_INTERVAL_WITHOUT_KEYS };
        self.last_fetch.is_none_or(|(last, _)| distance(now, last) >= interval)
    }

    fn is_refresh_due(&self, now: Timestamp) -> bool {
        let age = self.set.as_ref().map(|(_, fetched)| distance(now, *fetched));
        age.is_none_or(|age| age >= REFRESH_AFTER) && self.may_fetch(now)
    }
}

/// The distance of two times. Calls have the times of their gateways, which are not strictly in order.
fn distance(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).abs()
}

impl Keys {
    pub fn new(url: String, http: Http) -> Arc<Self> {
        Arc::new(Self { url, http, cache: Mutex::default(), fetching: Arc::default() })
    }

    /// Finds the key with this id and for this algorithm. [`Error::InvalidToken`] if the issuer has none,
    /// [`Error::Busy`] if the issuer is unreachable.
    pub async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<DecodingKey> {
        let cache = self.cache();
        if let Some(key) = cache.find(id, algorithm, now) {
            if cache.is_refresh_due(now) {
                self.refresh_in_background(now);
            }
            return Ok(key);
        }
        if cache.may_fetch(now) {
            let _fetching = self.fetching.lock().await;
            // Another call may have fetched the keys while this one waited.
            if self.cache().may_fetch(now) {
                self.fetch(now).await;
            }
        }
        let cache = self.cache();
        cache.find(id, algorithm, now).ok_or_else(|| match cache.last_fetch {
            Some((_, FetchOutcome::Succeeded)) if cache.valid_keys(now).is_some() => {
                Error::InvalidToken("unknown key")
            }
            _ => Error::Busy("the keys of the token's issuer are unavailable".into()),
        })
    }

    /// Fetches the keys without blocking the call. If Lambda freezes the process, a later call tries again.
    fn refresh_in_background(self: &Arc<Self>, now: Timestamp) {
        let Ok(fetching) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            if keys.cache().is_refresh_due(now) {
                keys.fetch(now).await;
            }
            drop(fetching);
        });
    }

    async fn fetch(&self, now: Timestamp) {
        let result = self.http.keys(&self.url).await;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(set) => {
                *cache = Cache {
                    set: Some((Arc::new(set), now)),
                    last_fetch: Some((now, FetchOutcome::Succeeded)),
                };
            }
            Err(error) => {
                cache.last_fetch = Some((now, FetchOutcome::Failed));
                tracing::warn!(%error, url = self.url, "failed to fetch the keys of an issuer");
            }
        }
    }

    fn cache(&self) -> Cache {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
