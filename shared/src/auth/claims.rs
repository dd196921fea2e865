//! What a token whose signature is good says: until when, and of whom.

use serde_json::{Map, Value};

use crate::{
    auth::Identity,
    clock::Timestamp,
    domain::users::profile::TokenProfile,
    error::{Error, Result},
    id::UserId,
};

/// How far the issuer's clock may be off, in seconds.
const LEEWAY: i64 = 60;

/// The longest display name kept, in characters.
const MAX_NAME_CHARS: usize = 100;

/// The longest avatar URL kept, in bytes: it is repeated in every room's roster.
const MAX_AVATAR_BYTES: usize = 512;

/// How far an issuer is believed.
pub(super) struct Trust<'a> {
    /// From which name of the issuer ids are derived, for whom it does not name by an id of ours.
    pub issuer: Option<&'a str>,
    /// Whether the UUID in `user_id` or `sub` is the person's id here.
    pub names_users: bool,
    /// How long before its end a token may be used at the most, in seconds.
    pub longest_life: i64,
}

/// Who the claims mean at this moment. Claims of an unexpected type count as absent, except the times.
pub(super) fn identity(claims: &Map<String, Value>, trust: &Trust, now: Timestamp) -> Result<Identity> {
    let (expires, issued_at) = times(claims, trust, now)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (own_id, subject) = (text("user_id").filter(|_| trust.names_users), text("sub"));
    let user_id = if trust.names_users {
        UserId::from_claims(own_id, trust.issuer, subject)
    } else {
        UserId::derived(trust.issuer, subject)
    };
    let user_id = user_id.ok_or(Error::InvalidToken("names no user"))?;

    let shown = |name: &str| text(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    // A refreshed token of the existing backend carries the username in `sub` and the id in `user_id`.
    let named_by_sub = shown("sub").filter(|sub| own_id.is_some() && sub.parse::<UserId>().is_err());
    // Some issuers say it in a text, and the one that names our users does not say it at all.
    let verified = match claims.get("email_verified") {
        None | Some(Value::Null) => trust.names_users,
        Some(said) => said == &Value::Bool(true) || said == "true",
    };
    let profile = TokenProfile {
        username: shown("username").or(named_by_sub),
        email: shown("email").filter(|_| verified),
        display_name: shown("name").map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
        avatar_url: shown("picture")
            .filter(|url| url.starts_with("https://") && url.len() <= MAX_AVATAR_BYTES),
    };
    Ok(Identity { user_id, expires, issued_at, profile })
}

/// When the token ends and, if it says so, when it was issued.
fn times(claims: &Map<String, Value>, trust: &Trust, now: Timestamp) -> Result<(i64, Option<i64>)> {
    let now = now.seconds();
    let expires = time(claims, "exp")?.ok_or(Error::InvalidToken("no exp"))?;
    if now >= expires.saturating_add(LEEWAY) {
        return Err(Error::TokenExpired);
    }
    if expires.saturating_sub(now) > trust.longest_life {
        return Err(Error::InvalidToken("exp too far away"));
    }
    let is_to_come = |time: i64| time.saturating_sub(LEEWAY) > now;
    let issued_at = time(claims, "iat")?;
    if issued_at.is_some_and(is_to_come) || time(claims, "nbf")?.is_some_and(is_to_come) {
        return Err(Error::InvalidToken("not valid yet"));
    }
    Ok((expires, issued_at))
}

/// A `NumericDate` (RFC 7519, section 2) in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and times beyond i64 are as good as its ends"
)]
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let date = value.as_f64().filter(|date| date.is_finite());
    date.map(|date| Some(date as i64)).ok_or(Error::InvalidToken("a time is no number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";
    const BEN: &str = "11111111-2222-4333-8444-555555555555";
    const NOW: i64 = 1_770_000_000;
    const DAY: i64 = 86_400;
    const TRUSTED: Trust = Trust { issuer: Some("us"), names_users: true, longest_life: DAY };
    const FOREIGN: Trust = Trust { issuer: Some("them"), names_users: false, longest_life: DAY };

    fn read(trust: &Trust, claims: &Value) -> Result<Identity> {
        identity(claims.as_object().unwrap(), trust, Timestamp::from_seconds(NOW))
    }

    fn who(trust: &Trust, mut claims: Value) -> String {
        claims["exp"] = (NOW + 60).into();
        read(trust, &claims).unwrap().user_id.to_string()
    }

    #[test]
    fn the_backends_token_names_its_user() {
        let claims = json!({"sub": ANA, "user_id": ANA, "username": "ana", "email": "a@example.com",
            "exp": NOW + 60, "iat": NOW - 5});
        let ana = read(&TRUSTED, &claims).unwrap();
        let said = (ana.user_id.to_string(), ana.expires, ana.issued_at);
        assert_eq!(said, (ANA.to_owned(), NOW + 60, Some(NOW - 5)));
        assert_eq!(ana.profile.username.as_deref(), Some("ana"));
        assert_eq!(ana.profile.email.as_deref(), Some("a@example.com"));
    }

    #[test]
    fn a_refreshed_token_carries_the_username_in_sub() {
        let ana = read(&TRUSTED, &json!({"sub": "ana", "user_id": ANA, "exp": NOW + 60})).unwrap();
        assert_eq!((ana.user_id.to_string().as_str(), ana.issued_at), (ANA, None));
        assert_eq!(ana.profile.username.as_deref(), Some("ana"));
    }

    #[test]
    fn only_who_names_our_users_can_choose_an_id() {
        assert_eq!(who(&TRUSTED, json!({"sub": BEN, "user_id": ANA})), ANA, "user_id is first");
        assert_eq!(who(&TRUSTED, json!({"sub": ANA, "user_id": "ana"})), ANA);
        let [ana, ben] = [ANA, BEN].map(|sub| who(&FOREIGN, json!({"sub": sub})));
        assert!(![ANA, BEN].contains(&ana.as_str()) && ana != ben);
        assert_eq!(who(&FOREIGN, json!({"sub": BEN, "user_id": ANA})), ben, "user_id counts for nothing");
        assert_eq!(who(&FOREIGN, json!({"sub": BEN, "iss": "us", "username": "ana"})), ben);
        let other = Trust { issuer: Some("others"), ..FOREIGN };
        assert_ne!(who(&other, json!({"sub": BEN})), ben, "each issuer has people of its own");
        assert_ne!(who(&FOREIGN, json!({"sub": format!("{BEN} ")})), ben, "a subject is taken as it is");
        for nobody in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!({"user_id": ANA})] {
            let mut claims = nobody.clone();
            claims["exp"] = (NOW + 60).into();
            assert!(read(&FOREIGN, &claims).is_err(), "{nobody}");
        }
    }

    #[test]
    fn an_address_counts_if_it_is_verified_and_a_picture_if_it_can_be_shown() {
        let profile = |trust, verified: Value| {
            let claims = json!({"sub": ANA, "exp": NOW + 60, "email": "a@b.c", "email_verified": verified,
                "picture": "javascript:1", "name": 7, "username": " "});
            read(trust, &claims).unwrap().profile
        };
        let odd = profile(&TRUSTED, "false".into());
        assert!(odd.email.is_none() && odd.avatar_url.is_none() && odd.display_name.is_none());
        assert!(odd.username.is_none());
        assert!(profile(&TRUSTED, Value::Null).email.is_some());
        assert!(profile(&FOREIGN, Value::Null).email.is_none(), "a foreign issuer has to say it");
        assert!(profile(&FOREIGN, true.into()).email.is_some());
        assert!(profile(&FOREIGN, "true".into()).email.is_some());
    }

    #[test]
    fn times_are_checked_with_a_minutes_leeway() {
        let check = |claims: Value| {
            let mut whole = json!({"sub": ANA, "exp": NOW + 99});
            whole.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
            read(&TRUSTED, &whole)
        };
        assert!(check(json!({"exp": NOW - 59})).is_ok());
        assert!(check(json!({"exp": 1.77e9 + 0.5})).is_ok());
        assert!(matches!(check(json!({"exp": NOW - 60})), Err(Error::TokenExpired)));
        assert!(matches!(check(json!({"exp": -1})), Err(Error::TokenExpired)));
        assert!(matches!(check(json!({"exp": i64::MIN})), Err(Error::TokenExpired)));
        assert!(check(json!({"exp": NOW + DAY})).is_ok());
        for far in [json!(NOW + DAY + 1), json!(1e300), json!(u64::MAX)] {
            assert!(matches!(check(json!({"exp": far})), Err(Error::InvalidToken("exp too far away"))));
        }
        assert!(matches!(read(&TRUSTED, &json!({"sub": ANA})), Err(Error::InvalidToken("no exp"))));
        for name in ["exp", "nbf", "iat"] {
            for odd in [json!("1770000099"), json!(null), json!([NOW]), json!(true)] {
                assert!(matches!(check(json!({name: odd})), Err(Error::InvalidToken("a time is no number"))));
            }
        }
        for name in ["nbf", "iat"] {
            assert!(check(json!({name: NOW + 60})).is_ok());
            assert!(matches!(check(json!({name: NOW + 61})), Err(Error::InvalidToken("not valid yet"))));
        }
    }
}
