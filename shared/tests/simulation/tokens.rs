//! Access tokens that end. A client renews its token after a 401, and reconnects before the token of its
//! connection expires; now and then too late. A request with an expired token has no effect.

use std::{rc::Rc, time::Duration};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    gateway::HttpResponse,
    simulation::{SECRET, Simulation},
};

/// For how long after its expiry a token is accepted over HTTP, in seconds.
const LEEWAY: u64 = 60;

/// The remaining validity at which a client renews a long-lived token, in seconds.
const RENEWED_BEFORE: u64 = 2 * 3600;

/// The access token of a user.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// The expiry, in seconds since 1970.
    pub expires: u64,
    pub text: String,
}

/// The calls of a function for one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameRuns {
    /// Whether one ran before the token of the connection expired.
    before_expiry: bool,
    /// Whether one ran after it.
    after_expiry: bool,
}

impl Simulation {
    /// A user's token. A short-lived one may have expired: the client learns that from a 401.
    pub fn token(&self, user: usize) -> Token {
        let token = self.users[user].token.borrow().clone();
        let is_renewed =
            !self.plan.has_short_tokens && token.expires < self.aws.now() / 1000 + RENEWED_BEFORE;
        if token.text.is_empty() || is_renewed { self.renew_token(user, &token) } else { token }
    }

    /// The token after `old`, which another call of the user may already have requested.
    pub fn renew_token(&self, user: usize, old: &Token) -> Token {
        let mut token = self.users[user].token.borrow_mut();
        if token.text == old.text {
            let lifetime =
                if self.plan.has_short_tokens { self.rng.borrow_mut().u64(20..=120) } else { 4 * 3600 };
            *token = self.issue_token(user, lifetime);
        }
        token.clone()
    }

    /// A new token that is valid for so many seconds.
    pub fn issue_token(&self, user: usize, lifetime: u64) -> Token {
        let (user, now) = (&self.users[user], self.aws.now() / 1000);
        let claims = json!({"sub": user.id, "username": user.name, "iat": now, "exp": now + lifetime});
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        Token { expires: now + lifetime, text: encode(&Header::default(), &claims, &key).unwrap() }
    }

    /// A response is 401 exactly if the token has expired. `sent_at` is the time of the gateway.
    pub fn check_authorization(&self, user: usize, token: &Token, sent_at: u64, response: &HttpResponse) {
        if self.users[user].is_deleted.get() {
            return;
        }
        let is_expired = sent_at / 1000 >= token.expires + LEEWAY;
        if response.status < 500 && (response.status == 401) != is_expired {
            let HttpResponse { status, body, .. } = response;
            let detail =
                format!("{status} {body} at {sent_at} for a token that expires at {}", token.expires);
            self.report_violation("tokens", detail);
        }
    }

    /// A connection opens only with a token that has not expired.
    pub fn check_connected(&self, token: &Token, sent_at: u64, status: Option<u64>) {
        let is_expired = sent_at / 1000 >= token.expires;
        if status == Some(200) && is_expired || status == Some(401) && !is_expired {
            let detail =
                format!("$connect: {status:?} at {sent_at} with a token that expires at {}", token.expires);
            self.report_violation("tokens", detail);
        }
    }

    /// Records a call of a function for a frame with a `ref`.
    pub fn record_frame_run(&self, reference: &str, is_expired: bool) {
        let mut observed = self.observed.borrow_mut();
        let runs = observed.frame_runs.entry(reference.to_owned()).or_default();
        runs.before_expiry |= !is_expired;
        runs.after_expiry |= is_expired;
    }

    /// A frame fails exactly if the token of its connection has expired.
    pub fn check_frame_answer(&self, frame: &Value) {
        let Some(reference) = frame["ref"].as_str() else { return };
        let runs = self.observed.borrow().frame_runs.get(reference).copied().unwrap_or_default();
        let is_rejected = frame["type"] == "error" && frame["data"]["code"] == "token_expired";
        if !(if is_rejected { runs.after_expiry } else { runs.before_expiry }) {
            self.report_violation("tokens", format!("{frame} after {runs:?}"));
        }
    }

    /// Reconnects a device shortly before the token of its connection expires, or shortly after it. Does not
    /// keep the schedule from becoming idle.
    pub fn reconnect_before_expiry(self: &Rc<Self>, d: usize, connection: &str, token: Token) {
        if !self.plan.has_short_tokens {
            return;
        }
        let (until_expiry, early, late) = {
            let mut rng = self.rng.borrow_mut();
            let until_expiry = Duration::from_millis((token.expires * 1000).saturating_sub(self.aws.now()));
            let late = Duration::from_millis(rng.u64(..20_000));
            (
                until_expiry,
                Duration::from_millis(rng.u64(1000..4000)),
                Some(late).filter(|_| rng.u32(..4) == 0),
            )
        };
        let (simulation, connection) = (self.clone(), connection.to_owned());
        tokio::task::spawn_local(async move {
            match late {
                None => sleep(until_expiry.saturating_sub(early)).await,
                Some(late) => {
                    sleep(until_expiry).await;
                    // From here on, it receives no pushes.
                    simulation.observed.borrow_mut().record_closed(&connection, token.expires * 1000);
                    sleep(late).await;
                }
            }
            if simulation.devices[d].borrow().connection.as_ref() != Some(&connection) {
                return;
            }
            simulation.renew_token(simulation.devices[d].borrow().user, &token);
            simulation.go_offline(d);
            if simulation.devices[d].borrow().should_connect {
                simulation.go_online(d);
            }
        });
    }
}
