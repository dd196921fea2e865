//! `rate(15 minutes)`: complete pending deletions of accounts and rooms.

use shared::{
    App, Result,
    serve::{Fatal, schedule::serve},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(complete_deletions).await
}

pub(crate) async fn complete_deletions(app: App) -> Result<()> {
    app.complete_deletions().await
}
