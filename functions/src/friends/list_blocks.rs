//! `GET /api/v1/friends/blocks`: list blocked users.

use shared::{
    App,
    domain::page::PageRequest,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Query, Reader, serve},
    },
    wire::relationships::BlockedUser,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_blocks).await
}

pub(crate) async fn list_blocks(
    app: App,
    me: Reader,
    Query(page): Query<PageRequest>,
) -> PageReply<BlockedUser> {
    Ok(JsonPage(BlockedUser::page(app.store.blocks(me.id, page).await?)))
}
