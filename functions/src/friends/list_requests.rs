//! `GET /api/v1/friends/requests`: list pending friend requests, received or sent (`direction=sent`).

use shared::{
    App,
    domain::page::Page,
    serve::{
        Fatal,
        http::{JsonPage, PageReply, Query, Reader, serve},
    },
    wire::relationships::{FriendRequest, RequestList},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list_requests).await
}

pub(crate) async fn list_requests(
    app: App,
    me: Reader,
    Query(list): Query<RequestList>,
) -> PageReply<FriendRequest> {
    let requests = app.store.requests(me.id, list.direction, list.page).await?;
    let users: Vec<_> =
        requests.items.iter().flat_map(|request| [request.sender_id, request.receiver_id]).collect();
    let profiles = app.store.profiles(&users).await?;
    let items = requests.items.iter().map(|request| FriendRequest::pending(request, &profiles)).collect();
    Ok(JsonPage(Page { items, next: requests.next }))
}
