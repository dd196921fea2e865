//! `GET /api/v1/users/me`: the caller's own profile.

use shared::{
    App,
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
    Ok(Json(app.own_profile(me.id).await?.into()))
}
