//! `DELETE /api/v1/friends/requests/{request_id}`: take a request back.

use shared::{
    App, Error, Result,
    domain::{friendship::Action, pace::Paced},
    id::RequestId,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(cancel_request).await
}

pub(crate) async fn cancel_request(
    app: App,
    me: Me,
    Path(request_id): Path<RequestId>,
) -> Result<Option<Json<()>>> {
    app.pace(me.id, Paced::Changes).await?;
    let request = app.store.sent_request(me.id, request_id).await?.ok_or(Error::NotFound)?;
    app.befriend(me.id, request.receiver_id, Action::Cancel(request_id)).await?;
    Ok(None)
}
