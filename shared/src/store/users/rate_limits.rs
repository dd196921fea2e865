//! The state of rate limits: one item per user and kind of action holds the theoretical arrival time (TAT).

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    clock::Timestamp,
    domain::users::rate_limit::{Decision, RateLimit, RateLimitedAction},
    error::{Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{Item, Update},
            keys,
            transaction::{Attempt, retrying_with},
        },
    },
};

/// The attribute with the TAT, in milliseconds since 1970.
const TAT: &str = "tat";

impl Store {
    /// Counts an action of a user, by its weight, or [`Error::RateLimited`].
    ///
    /// One write for an idle user, and one more otherwise; a refused action changes nothing. However many
    /// actions are concurrent, no more than the limit are allowed: every write is conditional.
    pub async fn check_rate_limit(
        &self,
        user: UserId,
        action: RateLimitedAction,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<()> {
        // An allowed action counts until then; a later one extends it.
        let expires_at = limit.burst_end(now).seconds() + 1;
        let set = |expression: &str| {
            let change = format!("SET tat = {expression}, expires_at = :expires_at");
            Update::of(keys::rate(user, action.name()), change).value(":expires_at", expires_at)
        };
        let from_now = now.plus(limit.advance()).milliseconds();
        let idle = set(":next")?
            .only_if("attribute_not_exists(tat) OR tat <= :now")
            .value(":next", from_now)?
            .value(":now", now.milliseconds())?;
        let Err(existing) = self.table.update_or_item(idle).await? else { return Ok(()) };
        retrying_with("the rate limit keeps changing", existing, |existing: Item| async {
            let mut existing = existing;
            let stored = tat(&existing);
            if let Decision::Limited { retry_after } = limit.check(stored, now) {
                return Err(Error::RateLimited { retry_after });
            }
            let allow = if limit.effective(stored, now).is_some() {
                set("tat + :interval")?
                    .only_if("tat > :now AND tat <= :latest")
                    .value(":interval", limit.advance().num_milliseconds())?
                    .value(":now", now.milliseconds())?
                    .value(":latest", limit.latest_allowed(now).milliseconds())?
            } else {
                // An impossible time is replaced.
                let stored = existing.remove(TAT).unwrap_or(AttributeValue::Null(true));
                set(":next")?.only_if("tat = :stored").value(":next", from_now)?.attribute(":stored", stored)
            };
            match self.table.update_or_item(allow).await? {
                Ok(_) => Ok(Attempt::Done(())),
                Err(changed) => Ok(Attempt::Again(changed)),
            }
        })
        .await
    }
}

fn tat(item: &Item) -> Option<Timestamp> {
    let milliseconds = item.get(TAT)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_milliseconds(milliseconds)
}
