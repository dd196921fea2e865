//! `GET /api/v1/users/me`: get the caller's profile. Completes what earlier calls left incomplete.

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
