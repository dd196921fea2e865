//! `DELETE /api/v1/users/me`: delete the caller's account. A retry resumes an incomplete deletion.

use shared::{
    App, Result,
    domain::{accounts::DeletionProgress, users::rate_limit::RateLimitedAction},
    serve::{
        Fatal,
        http::{Accepted, Bearer, serve},
    },
    wire::relationships::Done,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(delete_me).await
}

pub(crate) async fn delete_me(app: App, Bearer(identity): Bearer) -> Result<Option<Accepted<Done>>> {
    app.check_rate_limit(identity.user_id, RateLimitedAction::Deletions).await?;
    let progress = app.delete_account(&identity).await?;
    let message = "Your account is being deleted.".to_owned();
    Ok((progress == DeletionProgress::InProgress).then_some(Accepted(Done { message })))
}
