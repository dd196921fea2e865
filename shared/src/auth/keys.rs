//! The keys of one issuer in this process: fetched when first needed, and again before they are old or when a token names a
//! new one.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::Duration;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::{
    auth::{fetch::Http, key_set::KeySet},
    clock::Timestamp,
    error::{Error, Result},
};

/// Keys that were fetched longer ago are fetched again, while they are still good.
const REFRESH_AFTER: Duration = Duration::hours(1);

/// Keys that were fetched longer ago are good no more: a key that its issuer has given up is believed for so long, where the
/// issuer cannot be reached.
const GOOD_FOR: Duration = Duration::hours(24);

/// How soon the issuer is asked again, whatever names of keys tokens bring.
const PAUSE: Duration = Duration::minutes(1);

/// How soon it is asked again while there is not a single good key of it.
const PAUSE_WITHOUT_KEYS: Duration = Duration::seconds(5);

/// The keys at one URL.
pub(super) struct Keys {
    url: String,
    http: Http,
    held: Mutex<Held>,
    /// Held by whoever fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// What is known of them.
#[derive(Clone, Default)]
struct Held {
    set: Option<(Arc<KeySet>, Timestamp)>,
    last_try: Option<(Timestamp, Outcome)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fetched,
    Failed,
}

impl Held {
    fn good(&self, now: Timestamp) -> Option<&KeySet> {
        self.set.as_ref().filter(|(_, fetched)| apart(now, *fetched) <= GOOD_FOR).map(|(set, _)| &**set)
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Option<DecodingKey> {
        self.good(now)?.find(id, algorithm).cloned()
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        let pause = if self.good(now).is_some() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        self.last_try.is_none_or(|(last, _)| apart(now, last) >= pause)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let age = self.set.as_ref().map(|(_, fetched)| apart(now, *fetched));
        age.is_none_or(|age| age >= REFRESH_AFTER) && self.may_fetch(now)
    }
}

/// How far two moments are apart: calls come with the times of their gateways, not quite in order.
fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).abs()
}

impl Keys {
    pub fn new(url: String, http: Http) -> Arc<Self> {
        Arc::new(Self { url, http, held: Mutex::default(), fetching: Arc::default() })
    }

    /// The key of this name for this algorithm: [`Error::InvalidToken`] if the issuer has none, [`Error::Busy`] if it cannot
    /// be asked.
    pub async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<DecodingKey> {
        let held = self.held();
        if let Some(key) = held.find(id, algorithm, now) {
            if held.is_due(now) {
                self.refresh_aside(now);
            }
            return Ok(key);
        }
        if held.may_fetch(now) {
            let _fetching = self.fetching.lock().await;
            // Whoever waited here may find it done.
            if self.held().may_fetch(now) {
                self.fetch(now).await;
            }
        }
        let held = self.held();
        held.find(id, algorithm, now).ok_or_else(|| match held.last_try {
            Some((_, Outcome::Fetched)) if held.good(now).is_some() => Error::InvalidToken("unknown key"),
            _ => Error::Busy("the keys of a token's issuer cannot be had".into()),
        })
    }

    /// Fetches beside the call, which does not wait for it. If the process is frozen before it is through, a later call tries
    /// again.
    fn refresh_aside(self: &Arc<Self>, now: Timestamp) {
        let Ok(fetching) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            if keys.held().is_due(now) {
                keys.fetch(now).await;
            }
            drop(fetching);
        });
    }

    async fn fetch(&self, now: Timestamp) {
        let fetched = self.http.keys(&self.url).await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(set) => {
                *held = Held { set: Some((Arc::new(set), now)), last_try: Some((now, Outcome::Fetched)) };
            }
            Err(error) => {
                held.last_try = Some((now, Outcome::Failed));
                tracing::warn!(%error, url = self.url, "an issuer's keys could not be fetched");
            }
        }
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
