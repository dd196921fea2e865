//! `GET /api/v1/friends`: the caller's friends.

use shared::{
    App,
    serve::{
        Fatal,
        http::{JsonPage, Me, PageReply, Query, serve},
    },
    wire::friends::{FriendList, ListedFriend},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list).await
}

async fn list(app: App, me: Me, Query(list): Query<FriendList>) -> PageReply<ListedFriend> {
    Ok(JsonPage(ListedFriend::page(app.store.friends(me.id, list.page).await?)))
}
