//! The claims of a token with a valid signature: its times, its user and the user's profile.

use serde_json::{Map, Value};

use crate::{
    auth::Identity,
    clock::Timestamp,
    domain::users::profile::TokenProfile,
    error::{Error, Result},
    id::UserId,
};

/// The tolerated difference to the issuer's clock, in seconds.
const LEEWAY: i64 = 60;

/// The maximum length of a display name, in characters. A longer one is cut.
const MAX_NAME_CHARS: usize = 100;

/// The maximum length of an avatar URL, in bytes, which is copied to every room. A longer one is ignored.
const MAX_AVATAR_BYTES: usize = 512;

/// What an issuer is trusted with.
pub(super) struct Trust<'a> {
    /// The name of the issuer from which user ids are derived.
    pub issuer: Option<&'a str>,
    /// Whether a UUID in `user_id` or `sub` is the id of the user.
    pub names_users: bool,
    /// The maximum time until a token expires, in seconds.
    pub max_lifetime: i64,
}

/// The identity that the claims prove at `now`. Claims other than times count as absent if of a wrong type.
pub(super) fn identity(claims: &Map<String, Value>, trust: &Trust, now: Timestamp) -> Result<Identity> {
    let (expires, issued_at) = times(claims, trust, now)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (user_claim, subject) = (text("user_id").filter(|_| trust.names_users), text("sub"));
    let user_id = if trust.names_users {
        UserId::from_claims(user_claim, trust.issuer, subject)
    } else {
        UserId::derived(trust.issuer, subject)
    };
    let user_id = user_id.ok_or(Error::InvalidToken("no user"))?;

    let non_blank = |name: &str| text(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    // A refreshed token of the existing backend has the username in `sub` and the id in `user_id`.
    let sub_as_username =
        non_blank("sub").filter(|sub| user_claim.is_some() && sub.parse::<UserId>().is_err());
    // Some issuers send it as a text. An issuer that names users may omit it.
    let is_verified = match claims.get("email_verified") {
        None | Some(Value::Null) => trust.names_users,
        Some(value) => value == &Value::Bool(true) || value == "true",
    };
    let profile = TokenProfile {
        username: non_blank("username").or(sub_as_username),
        email: non_blank("email").filter(|_| is_verified),
        display_name: non_blank("name").map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
        avatar_url: non_blank("picture")
            .filter(|url| url.starts_with("https://") && url.len() <= MAX_AVATAR_BYTES),
    };
    Ok(Identity { user_id, expires, issued_at, profile })
}

/// The times of expiry and, if present, of issue, in Unix seconds.
fn times(claims: &Map<String, Value>, trust: &Trust, now: Timestamp) -> Result<(i64, Option<i64>)> {
    let now = now.seconds();
    let expires = time(claims, "exp")?.ok_or(Error::InvalidToken("no exp"))?;
    if now >= expires.saturating_add(LEEWAY) {
        return Err(Error::TokenExpired);
    }
    if expires.saturating_sub(now) > trust.max_lifetime {
        return Err(Error::InvalidToken("exp too far in the future"));
    }
    let is_in_future = |time: i64| time.saturating_sub(LEEWAY) > now;
    let issued_at = time(claims, "iat")?;
    if issued_at.is_some_and(is_in_future) || time(claims, "nbf")?.is_some_and(is_in_future) {
        return Err(Error::InvalidToken("not valid yet"));
    }
    Ok((expires, issued_at))
}

/// A `NumericDate` (RFC 7519, section 2) in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and times beyond i64 compare like its limits"
)]
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let date = value.as_f64().filter(|date| date.is_finite());
    date.map(|date| Some(date as i64)).ok_or(Error::InvalidToken("a time is not a number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANA: &str = "9f0e0d0c-0b0a-4908-8706-050403020100";
    const BEN: &str = "11111111-2222-4333-8444-555555555555";
    const NOW: i64 = 1_770_000_000;
    const DAY: i64 = 86_400;
    const TRUSTED: Trust = Trust { issuer: Some("us"), names_users: true, max_lifetime: DAY };
    const FOREIGN: Trust = Trust { issuer: Some("them"), names_users: false, max_lifetime: DAY };

    fn read(trust: &Trust, claims: &Value) -> Result<Identity> {
        identity(claims.as_object().unwrap(), trust, Timestamp::from_seconds(NOW))
    }

    fn user_of(trust: &Trust, mut claims: Value) -> String {
        claims["exp"] = (NOW + 60).into();
        read(trust, &claims).unwrap().user_id.to_string()
    }

    #[test]
    fn a_token_of_the_existing_backend_has_its_user_times_and_profile() {
        let claims = json!({"sub": ANA, "user_id": ANA, "username": "ana", "email": "a@example.com",
            "exp": NOW + 60, "iat": NOW - 5});
        let ana = read(&TRUSTED, &claims).unwrap();
        let user_and_times = (ana.user_id.to_string(), ana.expires, ana.issued_at);
        assert_eq!(user_and_times, (ANA.to_owned(), NOW + 60, Some(NOW - 5)));
        assert_eq!(ana.profile.username.as_deref(), Some("ana"));
        assert_eq!(ana.profile.email.as_deref(), Some("a@example.com"));
    }

    #[test]
    fn a_refreshed_token_of_the_existing_backend_has_the_username_in_sub() {
        let ana = read(&TRUSTED, &json!({"sub": "ana", "user_id": ANA, "exp": NOW + 60})).unwrap();
        assert_eq!((ana.user_id.to_string().as_str(), ana.issued_at), (ANA, None));
        assert_eq!(ana.profile.username.as_deref(), Some("ana"));
    }

    #[test]
    fn only_an_issuer_that_names_users_can_choose_an_id() {
        assert_eq!(user_of(&TRUSTED, json!({"sub": BEN, "user_id": ANA})), ANA, "user_id takes precedence");
        assert_eq!(user_of(&TRUSTED, json!({"sub": ANA, "user_id": "ana"})), ANA);
        let [ana, ben] = [ANA, BEN].map(|sub| user_of(&FOREIGN, json!({"sub": sub})));
        assert!(![ANA, BEN].contains(&ana.as_str()) && ana != ben);
        assert_eq!(user_of(&FOREIGN, json!({"sub": BEN, "user_id": ANA})), ben, "user_id is ignored");
        assert_eq!(user_of(&FOREIGN, json!({"sub": BEN, "iss": "us", "username": "ana"})), ben);
        let other = Trust { issuer: Some("others"), ..FOREIGN };
        assert_ne!(user_of(&other, json!({"sub": BEN})), ben, "issuers do not share users");
        assert_ne!(user_of(&FOREIGN, json!({"sub": format!("{BEN} ")})), ben, "a subject is not trimmed");
        for anonymous in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!({"user_id": ANA})] {
            let mut claims = anonymous.clone();
            claims["exp"] = (NOW + 60).into();
            assert!(read(&FOREIGN, &claims).is_err(), "{anonymous}");
        }
    }

    #[test]
    fn only_verified_addresses_and_displayable_profile_claims_are_used() {
        let profile = |trust, email_verified: Value| {
            let claims = json!({"sub": ANA, "exp": NOW + 60, "email": "a@b.c", "email_verified": email_verified,
                "picture": "javascript:1", "name": 7, "username": " "});
            read(trust, &claims).unwrap().profile
        };
        let invalid = profile(&TRUSTED, "false".into());
        assert!(invalid.email.is_none() && invalid.avatar_url.is_none() && invalid.display_name.is_none());
        assert!(invalid.username.is_none());
        assert!(profile(&TRUSTED, Value::Null).email.is_some());
        assert!(profile(&FOREIGN, Value::Null).email.is_none(), "a foreign issuer must send email_verified");
        assert!(profile(&FOREIGN, true.into()).email.is_some());
        assert!(profile(&FOREIGN, "true".into()).email.is_some());
    }

    #[test]
    fn times_are_checked_with_one_minute_of_leeway() {
        let check = |claims: Value| {
            let mut all = json!({"sub": ANA, "exp": NOW + 99});
            all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
            read(&TRUSTED, &all)
        };
        assert!(check(json!({"exp": NOW - 59})).is_ok());
        assert!(check(json!({"exp": 1.77e9 + 0.5})).is_ok());
        assert!(matches!(check(json!({"exp": NOW - 60})), Err(Error::TokenExpired)));
        assert!(matches!(check(json!({"exp": -1})), Err(Error::TokenExpired)));
        assert!(matches!(check(json!({"exp": i64::MIN})), Err(Error::TokenExpired)));
        assert!(check(json!({"exp": NOW + DAY})).is_ok());
        for far in [json!(NOW + DAY + 1), json!(1e300), json!(u64::MAX)] {
            assert!(matches!(
                check(json!({"exp": far})),
                Err(Error::InvalidToken("exp too far in the future"))
            ));
        }
        assert!(matches!(read(&TRUSTED, &json!({"sub": ANA})), Err(Error::InvalidToken("no exp"))));
        for name in ["exp", "nbf", "iat"] {
            for invalid in [json!("1770000099"), json!(null), json!([NOW]), json!(true)] {
                assert!(matches!(
                    check(json!({name: invalid})),
                    Err(Error::InvalidToken("a time is not a number"))
                ));
            }
        }
        for name in ["nbf", "iat"] {
            assert!(check(json!({name: NOW + 60})).is_ok());
            assert!(matches!(check(json!({name: NOW + 61})), Err(Error::InvalidToken("not valid yet"))));
        }
    }
}
