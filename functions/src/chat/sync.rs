//! `POST /api/v1/chat/sync`: get the rooms, messages and changes that a client misses.

use shared::{
    App,
    serve::{
        Fatal,
        http::{Body, Json, Reader, Reply, serve},
    },
    wire::sync::{Sync, SyncRequest},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(sync).await
}

pub(crate) async fn sync(app: App, me: Reader, Body(request): Body<SyncRequest>) -> Reply<Sync> {
    let page = app.store.sync(me.id, &request.positions, request.scope, request.after, app.now()).await?;
    Ok(Json(page.into()))
}
