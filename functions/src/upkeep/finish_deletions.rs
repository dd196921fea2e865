//! `rate(15 minutes)`: finish what the deletions of accounts and rooms have left.

use shared::{
    App, Result,
    serve::{Fatal, schedule::serve},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(finish_deletions).await
}

pub(crate) async fn finish_deletions(app: App) -> Result<()> {
    app.finish_deletions().await
}
