//! `PATCH /api/v1/users/me`: update the caller's profile and settings.

use shared::{
    App,
    domain::users::profile::ProfileChange,
    serve::{
        Fatal,
        http::{Body, Json, Me, Reply, serve},
    },
    wire::users,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(update_me).await
}

pub(crate) async fn update_me(app: App, me: Me, Body(change): Body<ProfileChange>) -> Reply<users::Me> {
    Ok(Json(app.change_profile(me.id, &change).await?.into()))
}
