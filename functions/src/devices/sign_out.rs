//! `DELETE /api/v1/devices/{device_id}`: sign out a device and close its connections.

use shared::{
    App, Result,
    domain::users::rate_limit::RateLimitedAction,
    id::DeviceId,
    serve::{
        Fatal,
        http::{Json, Me, Path, serve},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(sign_out).await
}

pub(crate) async fn sign_out(app: App, me: Me, Path(id): Path<DeviceId>) -> Result<Option<Json<()>>> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    app.sign_out(me.id, id).await?;
    Ok(None)
}
