//! `$default`: every path that no other route serves. The plan's `GET /api/v1/friends/` is one of them, because an
//! HTTP API does not fold trailing slashes.

use shared::{
    App, Error,
    serve::{
        Fatal,
        http::{JsonPage, Maybe, Me, PageReply, Query, Route, serve},
    },
    wire::friends::{FriendList, ListedFriend},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(unknown).await
}

async fn unknown(
    app: App,
    route: Route,
    Maybe(me): Maybe<Me>,
    Maybe(list): Maybe<Query<FriendList>>,
) -> PageReply<ListedFriend> {
    if (route.method.as_str(), route.path.as_str()) != ("GET", "/api/v1/friends/") {
        return Err(Error::NotFound);
    }
    let (me, Query(list)) = (me?, list?);
    Ok(JsonPage(ListedFriend::page(app.store.friends(me.id, list.page).await?)))
}
