//! `GET /api/v1/users/me`: the caller's own profile. It also finishes what calls that died have left to do.

use shared::{
    App,
    serve::{
        Fatal,
        http::{Bearer, Json, Reply, serve},
    },
    wire::users::Me,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(get_me).await
}

pub(crate) async fn get_me(app: App, Bearer(identity): Bearer) -> Reply<Me> {
    Ok(Json(app.resume_account(&identity).await?.into()))
}
