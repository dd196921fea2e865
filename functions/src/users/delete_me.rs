//! `DELETE /api/v1/users/me`: delete the caller's account. A retry resumes an incomplete deletion.

use shared::{
    App, Result,
    serve::{
        Fatal,
        http::{Bearer, Json, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(delete_me).await
}

pub(crate) async fn delete_me(app: App, Bearer(identity): Bearer) -> Result<Option<Json<()>>> {
    app.delete_account(&identity).await?;
    Ok(None)
}
