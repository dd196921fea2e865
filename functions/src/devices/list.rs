//! `GET /api/v1/devices`: list the caller's devices, the latest registration first.

use shared::{
    App,
    serve::{
        Fatal,
        http::{Json, Reader, Reply, serve},
    },
    wire::devices::RegisteredDevice,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(list).await
}

pub(crate) async fn list(app: App, me: Reader) -> Reply<Vec<RegisteredDevice>> {
    let devices = app.store.devices(me.id).await?;
    Ok(Json(devices.into_iter().map(RegisteredDevice::from).collect()))
}
