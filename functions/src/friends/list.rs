//! `GET /api/v1/friends`: list friends.

use shared::{
    App,
    domain::page::PageRequest,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Query, Reader, serve},
    },
    wire::relationships::ListedFriend,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list).await
}

pub(crate) async fn list(app: App, me: Reader, Query(page): Query<PageRequest>) -> PageReply<ListedFriend> {
    Ok(JsonPage(app.with_presence(app.store.friends(me.id, page).await?).await?))
}
