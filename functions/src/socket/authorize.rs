//! The authorizer of `$connect`: accepts a connection with a valid token.

use shared::serve::{Fatal, authorizer::serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve().await
}
