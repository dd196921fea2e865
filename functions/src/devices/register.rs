//! `PUT /api/v1/devices/{device_id}`: register or update a device.

use shared::{
    App, Result,
    domain::users::rate_limit::RateLimitedAction,
    id::DeviceId,
    serve::{
        Fatal,
        http::{Body, Json, Me, Path, serve},
    },
    wire::devices::DeviceRegister,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(register).await
}

pub(crate) async fn register(
    app: App,
    me: Me,
    Path(id): Path<DeviceId>,
    Body(device): Body<DeviceRegister>,
) -> Result<Option<Json<()>>> {
    app.check_rate_limit(me.id, RateLimitedAction::Changes).await?;
    app.store.register_device(me.id, &device.at(id, app.now())).await?;
    Ok(None)
}
