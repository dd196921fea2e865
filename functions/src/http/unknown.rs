//! `$default`: every path that no other route serves. The plan's `GET /api/v1/friends/` is one of them, because an
//! HTTP API does not fold trailing slashes.

use shared::{
    App, Result,
    domain::page::PageRequest,
    error::Refusal,
    serve::{
        Fatal, FromCall,
        http::{HttpCall, JsonPage, Me, Query, serve},
    },
    wire::relationships::ListedFriend,
};

const NO_SUCH_CALL: Refusal = Refusal {
    status: 404,
    code: "not_found",
    detail: "There is no such call: look at the method and the path.",
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(unknown).await
}

pub(crate) async fn unknown(app: App, call: HttpCall) -> Result<Option<JsonPage<ListedFriend>>> {
    match call.method_and_path() {
        // The gateway sends browsers' preflights here, and adds to the answer what they ask for.
        ("OPTIONS", _) => Ok(None),
        ("GET", "/api/v1/friends/") => {
            let me = Me::from_call(&app, &call).await?;
            let Query(page) = Query::<PageRequest>::from_call(&app, &call).await?;
            Ok(Some(JsonPage(app.with_presence(app.store.friends(me.id, page).await?).await?)))
        }
        _ => Err(NO_SUCH_CALL.into()),
    }
}
