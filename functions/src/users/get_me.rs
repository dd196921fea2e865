//! `GET /api/v1/users/me`: the caller's own profile.

use shared::{
    App, Error,
    serve::{
        Fatal,
        http::{Json, Me, Reply, serve},
    },
    wire::users,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(get_me).await
}

pub(crate) async fn get_me(app: App, me: Me) -> Reply<users::Me> {
    let profile = app.store.profile(me.id).await?;
    Ok(Json(profile.ok_or_else(|| Error::internal("the caller has no profile"))?.into()))
}
