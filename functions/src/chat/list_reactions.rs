//! `GET /api/v1/chat/rooms/{room_id}/messages/{message_id}/reactions`: list reactions, grouped by user.

use shared::{
    App,
    domain::page::PageRequest,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Path, Query, Reader, serve},
    },
    wire::messages::{MessagePath, ReactingUser},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_reactions).await
}

pub(crate) async fn list_reactions(
    app: App,
    me: Reader,
    Path(message): Path<MessagePath>,
    Query(page): Query<PageRequest>,
) -> PageReply<ReactingUser> {
    let MessagePath { room_id, message_id } = message;
    Ok(JsonPage(ReactingUser::page(app.store.reactions_to(room_id, message_id, me.id, page).await?)))
}
