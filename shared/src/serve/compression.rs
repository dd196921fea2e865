//! Compression of responses.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use lambda_http::{
    Body, Response,
    http::{
        HeaderValue,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY},
    },
};
use uuid::Uuid;

/// The maximum number of random bytes in the header of the compressed body. A body can have texts of several
/// users: who writes one of them, and sees lengths on the network, must not learn whether it resembles another.
const MAX_RANDOM_BYTES: u8 = 100;

/// Smaller bodies are not compressed: they fit the first packets in any case.
const MIN_BYTES: usize = 2 * 1024;

/// Compresses a text for a client that accepts gzip, as the values of its `Accept-Encoding` say. A body that
/// would not become smaller stays as it is.
pub fn compressed(mut response: Response<Body>, accepted: Option<&str>) -> Response<Body> {
    let Body::Text(text) = response.body() else { return response };
    if text.len() < MIN_BYTES {
        return response;
    }
    let gzip = accepted.filter(|accepted| accepts_gzip(accepted)).and_then(|_| gzip(text.as_bytes()).ok());
    let gzip = gzip.filter(|gzip| gzip.len() < text.len());
    response.headers_mut().insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    if let Some(gzip) = gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *response.body_mut() = Body::Binary(gzip);
    }
    response
}

/// The fastest level: higher ones cost a multiple of the time for a tenth of the size.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let [random, ..] = Uuid::new_v4().into_bytes();
    let filename = vec![b'a'; usize::from(random % (MAX_RANDOM_BYTES + 1))];
    let mut encoder = GzBuilder::new().filename(filename).write(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether an `Accept-Encoding` accepts gzip (RFC 9110, section 12.5.3): by its name, or else by `*`.
fn accepts_gzip(accepted: &str) -> bool {
    let codings = || accepted.split(',').map(|coding| coding.split_once(';').unwrap_or((coding, "")));
    let weight = |names: &[&str]| {
        let is_named = |name: &str| names.iter().any(|known| name.trim().eq_ignore_ascii_case(known));
        codings().find(|(name, _)| is_named(name)).map(|(_, parameters)| parameters)
    };
    let refused = |parameters: &str| {
        let (name, value) = parameters.split_once('=').unwrap_or(("q", "1"));
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse().is_ok_and(|weight: f32| weight <= 0.0)
    };
    weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"])).is_some_and(|parameters| !refused(parameters))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn answer(text: &str, accepted: Option<&str>) -> Response<Body> {
        compressed(Response::new(Body::Text(text.to_owned())), accepted)
    }

    #[test]
    fn gzip_is_accepted_by_name_or_by_a_wildcard_unless_its_weight_is_zero() {
        for yes in
            ["gzip", "GZIP", "x-gzip", "br, gzip;q=0.5", "deflate , gzip ; q=1.0", "*", "br;q=1, *;q=0.1"]
        {
            assert!(accepts_gzip(yes), "{yes}");
        }
        for no in
            ["", "br", "identity", "gzip;q=0", "gzip; q=0.000", "gzip;Q=0", "*;q=0", "*, gzip;q=0", "gzipped"]
        {
            assert!(!accepts_gzip(no), "{no}");
        }
    }

    #[test]
    fn a_long_text_is_compressed_for_clients_that_accept_it() {
        let text = "{\"content\":\"hello\"}".repeat(200);
        let gzip = answer(&text, Some("gzip, deflate, br"));
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        let Body::Binary(bytes) = gzip.body() else { panic!("{:?}", gzip.body()) };
        assert!(bytes.len() < text.len() / 10);
        let mut read = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        for (accepted, text) in [(None, text.as_str()), (Some("br"), &text), (Some("gzip"), &text[..2047])] {
            let plain = answer(text, accepted);
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(plain.body().as_ref(), text.as_bytes());
            assert_eq!(plain.headers().contains_key(VARY), text.len() >= MIN_BYTES, "{accepted:?}");
        }
    }

    #[test]
    fn the_length_of_a_compressed_text_varies() {
        let text = "{\"content\":\"hello\"}".repeat(200);
        let lengths = std::iter::repeat_with(|| answer(&text, Some("gzip")).body().as_ref().len()).take(300);
        let lengths: std::collections::BTreeSet<usize> = lengths.collect();
        assert!(lengths.len() > 50, "{lengths:?}");
        assert!(lengths.last().unwrap() - lengths.first().unwrap() <= usize::from(MAX_RANDOM_BYTES));
    }

    #[test]
    fn a_body_that_compression_would_enlarge_stays_as_it_is() {
        let mut rng = fastrand::Rng::with_seed(1);
        let random: String = std::iter::repeat_with(|| rng.char('\u{4e00}'..'\u{9fff}')).take(4000).collect();
        let noise = answer(&random, Some("gzip"));
        let is_smaller = noise.body().as_ref().len() < random.len();
        assert_eq!(noise.headers().contains_key(CONTENT_ENCODING), is_smaller);
        assert_eq!(noise.headers()[VARY], "accept-encoding");
    }
}
