//! `DELETE /api/v1/chat/rooms/{room_id}/participants/{user_id}`: remove a participant, or leave a group.

use shared::{
    App, Result,
    domain::users::rate_limit::RateLimitedAction,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
    wire::rooms::ParticipantPath,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(remove_participant).await
}

pub(crate) async fn remove_participant(
    app: App,
    me: Me,
    Path(path): Path<ParticipantPath>,
) -> Result<Option<Json<()>>> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    app.remove_participant(path.room_id, me.id, path.user_id).await?;
    Ok(None)
}
