//! `GET /api/v1/friends/{user_id}/mutual`: the caller's friends who are somebody's friends too.

use shared::{
    App,
    domain::pace::Paced,
    id::UserId,
    serve::{
        Fatal,
        http::{JsonPage, Me, PageReply, Path, Query, serve},
    },
    store::PageOf,
    wire::friends::ListedFriend,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_mutual).await
}

pub(crate) async fn list_mutual(
    app: App,
    me: Me,
    Path(user): Path<UserId>,
    Query(page): Query<PageOf>,
) -> PageReply<ListedFriend> {
    app.pace(me.id, Paced::Searches).await?;
    app.store.can_see(me.id, user).await?;
    Ok(JsonPage(app.listed(app.store.mutual_friends(me.id, user, page).await?).await?))
}
