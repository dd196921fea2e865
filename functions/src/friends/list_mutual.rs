//! `GET /api/v1/friends/{user_id}/mutual`: list the mutual friends with a user.

use shared::{
    App,
    domain::{page::PageRequest, users::rate_limit::RateLimitedAction},
    id::UserId,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Path, Query, Reader, serve},
    },
    wire::relationships::ListedFriend,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_mutual).await
}

pub(crate) async fn list_mutual(
    app: App,
    me: Reader,
    Path(user): Path<UserId>,
    Query(page): Query<PageRequest>,
) -> PageReply<ListedFriend> {
    app.check_rate_limit(me.id, RateLimitedAction::Searches).await?;
    Ok(JsonPage(app.mutual_friends(me.id, user, page).await?))
}
