//! `$default`: paths without a route. `GET /api/v1/friends/` is one of them, because an HTTP API treats a
//! path with a trailing slash as another path.

use shared::{
    App, Result,
    domain::page::PageRequest,
    error::Refusal,
    serve::{
        Fatal, FromCall,
        http::{HttpCall, JsonPage, Query, Reader, serve},
    },
    wire::relationships::ListedFriend,
};

const UNKNOWN_ROUTE: Refusal = Refusal {
    status: 404,
    code: "not_found",
    detail: "There is no such endpoint. Check the method and the path.",
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fatal> {
    serve(unknown).await
}

pub(crate) async fn unknown(app: App, call: HttpCall) -> Result<Option<JsonPage<ListedFriend>>> {
    match call.method_and_path() {
        // API Gateway sends CORS preflight requests here and adds the CORS headers to the response.
        ("OPTIONS", _) => Ok(None),
        ("GET", "/api/v1/friends/") => {
            let me = Reader::from_call(&app, &call).await?;
            let Query(page) = Query::<PageRequest>::from_call(&app, &call).await?;
            Ok(Some(JsonPage(app.with_presence(app.store.friends(me.id, page).await?).await?)))
        }
        _ => Err(UNKNOWN_ROUTE.into()),
    }
}
