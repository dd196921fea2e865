//! `GET /api/v1/friends/suggestions`: list friend suggestions, most mutual friends first.

use shared::{
    App,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        http::{Json, Reader, Reply, serve},
    },
    wire::users::SuggestedUser,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_suggestions).await
}

pub(crate) async fn list_suggestions(app: App, me: Reader) -> Reply<Vec<SuggestedUser>> {
    app.check_rate_limit(me.id, RateLimitedAction::Searches).await?;
    let suggested = app.suggestions(me.id).await?.into_iter();
    let users = suggested.map(|(profile, pair, count)| SuggestedUser::new(profile, &pair, me.id, count));
    Ok(Json(users.collect()))
}
