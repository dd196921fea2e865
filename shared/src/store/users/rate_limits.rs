//! How far each person is ahead of the pace of what they do: one item for each kind of deed, moved forward only.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    clock::Timestamp,
    domain::users::rate_limit::{Decision, RateLimit, RateLimitedAction},
    error::{Cause, Error, Result},
    id::UserId,
    store::{
        Store,
        db::{
            item::{Item, Update},
            keys,
            table::wait_before_retry,
        },
    },
};

/// How often a time that others keep moving is looked at again. Each look that does not decide means that one more was
/// admitted meanwhile, or that the clock of somebody who decides is wrong.
const MAX_LOOKS: u32 = 8;

/// The theoretical arrival time, in milliseconds since 1970.
const TAT: &str = "tat";

impl Store {
    /// Notes one call of a person, or [`Error::RateLimited`] if it comes too early.
    ///
    /// One write where the person was idle, one more where they were not; a refused call changes nothing. However many
    /// come at once, no more are admitted than the limit says: each of the changes is conditional.
    pub async fn check_rate_limit(
        &self,
        user: UserId,
        what: RateLimitedAction,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<()> {
        // At least until then an admitted call counts; whatever else is admitted later says so again.
        let expires_at = limit.burst_end(now).seconds() + 1;
        let change = |expression: &str| {
            let update = Update::of(
                keys::rate(user, what.name()),
                format!("SET tat = {expression}, expires_at = :expires_at"),
            );
            update.value(":expires_at", expires_at)
        };
        let from_now = now.plus(limit.interval()).milliseconds();
        let idle = change(":next")?
            .only_if("attribute_not_exists(tat) OR tat <= :now")
            .value(":next", from_now)?
            .value(":now", now.milliseconds())?;
        let Err(mut there) = self.table.update_or_item(idle).await? else { return Ok(()) };
        for attempt in 1..=MAX_LOOKS {
            let held = tat(&there);
            if let Decision::Limited { retry_after } = limit.check(held, now) {
                return Err(Error::RateLimited { retry_after });
            }
            let register_connection = if limit.effective(held, now).is_some() {
                change("tat + :interval")?
                    .only_if("tat > :now AND tat <= :latest")
                    .value(":interval", limit.interval().num_milliseconds())?
                    .value(":now", now.milliseconds())?
                    .value(":latest", limit.latest_allowed(now).milliseconds())?
            } else {
                // Not a time that can be: it gives way to one that can.
                let held = there.remove(TAT).unwrap_or(AttributeValue::Null(true));
                change(":next")?.only_if("tat = :held").value(":next", from_now)?.attribute(":held", held)
            };
            match self.table.update_or_item(register_connection).await? {
                Ok(_) => return Ok(()),
                Err(other) => there = other,
            }
            wait_before_retry(attempt).await;
        }
        Err(Error::Busy(Cause::from("the pace is changed all the time")))
    }
}

fn tat(item: &Item) -> Option<Timestamp> {
    let milliseconds = item.get(TAT)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_milliseconds(milliseconds)
}
