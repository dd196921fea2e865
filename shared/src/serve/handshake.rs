//! What a client offers in the handshake of a WebSocket: a token, and subprotocols.

use crate::{
    Error, Result,
    error::Refusal,
    serve::{
        events::{AuthorizerEvent, Values},
        http::bearer,
    },
};

/// The subprotocol of the frames that `asyncapi.yaml` describes.
const SUBPROTOCOL: &str = "athlytiq.v1";

/// The prefix of the subprotocol that is a token: the only header that browsers can set.
const TOKEN_PREFIX: &str = "bearer.";

const UNSUPPORTED: Refusal =
    Refusal { status: 400, code: "unsupported_subprotocol", detail: "Please update the app." };

/// The token, which is in the header `Authorization`, in a subprotocol or in `?token=`. With several tokens,
/// it is not clear which user connects.
pub(super) fn token(request: &AuthorizerEvent) -> Result<&str> {
    let headers = request.multi_value_headers.as_ref();
    let in_header = values(headers, "authorization").filter_map(bearer);
    let in_subprotocol = subprotocols(headers).filter_map(|offered| offered.strip_prefix(TOKEN_PREFIX));
    let in_query = parameters(request, "token");
    let mut tokens = in_header.chain(in_subprotocol).chain(in_query);
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(Error::InvalidToken("missing")),
        (Some(_), Some(_)) => Err(Error::InvalidToken("more than one token")),
    }
}

/// All values of a query parameter.
pub(super) fn parameters<'a>(
    request: &'a AuthorizerEvent,
    name: &str,
) -> impl DoubleEndedIterator<Item = &'a str> {
    let parameters = request.multi_value_query_string_parameters.as_ref();
    parameters.and_then(|parameters| parameters.get(name)).into_iter().flatten().map(String::as_str)
}

/// The subprotocol to select: none if the client offers none. A browser ends a connection without a selected
/// subprotocol if it has offered one.
pub(super) fn select_subprotocol(headers: Option<&Values>) -> Result<Option<&'static str>> {
    let mut offered = subprotocols(headers).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    if offered.any(|subprotocol| subprotocol == SUBPROTOCOL) {
        Ok(Some(SUBPROTOCOL))
    } else {
        Err(UNSUPPORTED.into())
    }
}

fn subprotocols(headers: Option<&Values>) -> impl Iterator<Item = &str> {
    let lists = values(headers, "sec-websocket-protocol").flat_map(|list| list.split(','));
    lists.map(str::trim).filter(|subprotocol| !subprotocol.is_empty())
}

/// All values of a header, whose name is given in lower case.
fn values<'a>(headers: Option<&'a Values>, name: &str) -> impl Iterator<Item = &'a str> {
    let named = headers.into_iter().flatten().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    named.flat_map(|(_, values)| values).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(headers: &Value, query: &Value) -> AuthorizerEvent {
        let event = json!({"multiValueHeaders": headers, "multiValueQueryStringParameters": query});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_handshake_has_exactly_one_token() {
        let none = || json!(null);
        let header = || json!({"authorization": ["Bearer a.b.c"]});
        let subprotocol = || json!({"SEC-WebSocket-Protocol": ["athlytiq.v1,  bearer.a.b.c"]});
        let query = || json!({"token": ["a.b.c"]});
        for (headers, query) in [
            (header(), none()),
            (subprotocol(), none()),
            (json!({"Sec-WebSocket-Protocol": ["athlytiq.v1", "bearer.a.b.c"]}), none()),
            (none(), query()),
            (json!({"authorization": ["Basic x"]}), query()),
            (json!({"sec-websocket-protocol": ["athlytiq.v1"]}), query()),
        ] {
            assert_eq!(token(&request(&headers, &query)).unwrap(), "a.b.c", "{headers}");
        }
        for (headers, query) in [
            (none(), none()),
            (json!({}), json!({})),
            (json!({"sec-websocket-protocol": ["athlytiq.v1, Bearer.a.b.c, a.b.c"]}), none()),
            (header(), query()),
            (subprotocol(), query()),
            (json!({"authorization": ["Bearer a"], "sec-websocket-protocol": ["bearer.a"]}), none()),
            (json!({"authorization": ["Bearer a", "Bearer a"]}), none()),
            (json!({"sec-websocket-protocol": ["bearer.a, athlytiq.v1, bearer.a"]}), none()),
            (json!({"sec-websocket-protocol": ["bearer.a", "bearer.a"]}), none()),
            (none(), json!({"token": ["a", "a"]})),
            (none(), json!({"token": ["", "a"]})),
        ] {
            let request = request(&headers, &query);
            assert!(matches!(token(&request), Err(Error::InvalidToken(_))), "{headers} {query}");
        }
    }

    #[test]
    fn the_known_subprotocol_is_selected_if_any_is_offered() {
        let select = |lists: Value| {
            let headers: Values = serde_json::from_value(json!({"Sec-WebSocket-Protocol": lists})).unwrap();
            select_subprotocol(Some(&headers))
        };
        assert_eq!(select_subprotocol(None).unwrap(), None);
        for none in [json!([]), json!([""]), json!([" , "])] {
            assert_eq!(select(none).unwrap(), None);
        }
        for known in [
            json!(["athlytiq.v1"]),
            json!(["athlytiq.v2,athlytiq.v1 , bearer.x"]),
            json!(["x", "athlytiq.v1"]),
        ] {
            assert_eq!(select(known.clone()).unwrap(), Some(SUBPROTOCOL), "{known}");
        }
        for unknown in
            ["athlytiq.v2", "athlytiq", "Athlytiq.v1", "bearer.x", "athlytiq.v1.1", "athlytiq.v1;q=1"]
        {
            assert!(matches!(select(json!([unknown])), Err(Error::Refused(UNSUPPORTED))), "{unknown}");
        }
    }
}
