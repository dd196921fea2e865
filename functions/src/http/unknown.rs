//! `$default`: every path that no other route serves. The plan's `GET /api/v1/friends/` is one of them, because an
//! HTTP API does not fold trailing slashes.

use shared::{
    App, Error, Result,
    serve::{
        Fatal,
        http::{JsonPage, Maybe, Me, Query, Route, serve},
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
) -> Result<Option<JsonPage<ListedFriend>>> {
    match (route.method.as_str(), route.path.as_str()) {
        // The gateway sends browsers' preflights here, and adds to the answer what they ask for.
        ("OPTIONS", _) => Ok(None),
        ("GET", "/api/v1/friends/") => {
            let (me, Query(list)) = (me?, list?);
            Ok(Some(JsonPage(ListedFriend::page(app.store.friends(me.id, list.page).await?))))
        }
        _ => Err(Error::NotFound),
    }
}
