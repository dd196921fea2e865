//! `GET /api/v1/friends/search?query=`: search users by a part of the username or by email address.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        http::{Json, Query, Reader, Reply, serve},
    },
    wire::{relationships::UserSearch, users::FoundUser},
};

/// The maximum number of search results.
const MAX_RESULTS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(search_users).await
}

pub(crate) async fn search_users(
    app: App,
    me: Reader,
    Query(search): Query<UserSearch>,
) -> Reply<Vec<FoundUser>> {
    app.check_rate_limit(me.id, RateLimitedAction::Searches).await?;
    let found = app.search_users(&search.query, me.id, MAX_RESULTS).await?;
    let users = found.into_iter().map(|(profile, pair)| FoundUser::new(profile, &pair, me.id));
    Ok(Json(users.collect()))
}
