//! The authorizer of `$connect`: lets in whoever brings a good token.

use shared::serve::{Fatal, authorizer::serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve().await
}
