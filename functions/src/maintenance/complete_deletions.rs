//! `rate(15 minutes)`: finish what the deletions of accounts and rooms have left.

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
