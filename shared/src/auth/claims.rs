//! The claims of a token with a valid signature: its times, its user and the user's profile.

use serde_json::{Map, Value};

use crate::{
    auth::Identity,
    clock::Timestamp,
    domain::{
        text::visible,
        users::{profile::TokenProfile, username},
    },
    error::{Error, Result},
    id::UserId,
};

/// The tolerated difference to the issuer's clock, in seconds.
const LEEWAY: i64 = 60;

/// Standard claims that suggest a username, in the order of preference. Of an email address, it is the part
/// before the `@`.
const USERNAME_CLAIMS: [&str; 4] = ["preferred_username", "nickname", "email", "given_name"];

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

    let non_blank = |name: &str| text(name).and_then(visible).map(str::to_owned);
    // A refreshed token of the existing backend has the username in `sub` and the id in `user_id`.
    let sub_as_username = text("sub").filter(|sub| user_claim.is_some() && sub.parse::<UserId>().is_err());
    let by_claim = USERNAME_CLAIMS.into_iter().filter_map(text);
    let mut suggestions = text("username").into_iter().chain(sub_as_username).chain(by_claim);
    // Some issuers send it as a text. An issuer that names users may omit it.
    let is_verified = match claims.get("email_verified") {
        None | Some(Value::Null) => trust.names_users,
        Some(value) => value == &Value::Bool(true) || value == "true",
    };
    let profile = TokenProfile {
        username: suggestions.find_map(username::suggested),
        email: non_blank("email").filter(|_| is_verified),
        display_name: non_blank("name"),
        avatar_url: non_blank("picture"),
    };
    Ok(Identity { user_id, expires, issued_at, profile: profile.valid() })
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
        assert_eq!(invalid.username.as_deref(), Some("a"), "an unverified address only suggests a name");
        assert!(profile(&TRUSTED, Value::Null).email.is_some());
        assert!(profile(&FOREIGN, Value::Null).email.is_none(), "a foreign issuer must send email_verified");
        assert!(profile(&FOREIGN, true.into()).email.is_some());
        assert!(profile(&FOREIGN, "true".into()).email.is_some());
    }

    fn profile_of(mut claims: Value) -> TokenProfile {
        claims["exp"] = (NOW + 60).into();
        claims["sub"] = ANA.into();
        read(&FOREIGN, &claims).unwrap().profile
    }

    #[test]
    fn the_first_claim_that_suggests_a_username_is_used() {
        let mut claims = json!({"given_name": "Ana", "email": "ana.m@example.com", "nickname": "annie",
            "preferred_username": "ana-m", "username": "ana_m"});
        for (removed, username) in [
            ("username", "ana_m"),
            ("preferred_username", "ana-m"),
            ("nickname", "annie"),
            ("email", "ana.m"),
            ("given_name", "Ana"),
        ] {
            assert_eq!(profile_of(claims.clone()).username.as_deref(), Some(username));
            for unusable in [json!(7), json!(null), json!(" "), json!("\u{3164}"), json!("Deleted user")] {
                let mut claims = claims.clone();
                claims[removed] = unusable;
                let next = profile_of(claims).username;
                assert_ne!(next.as_deref(), Some(username), "an unusable claim is skipped");
                assert_eq!(next.is_none(), removed == "given_name");
            }
            claims.as_object_mut().unwrap().remove(removed);
        }
        assert_eq!(profile_of(claims).username, None);
        let address = json!({"preferred_username": "Ana.M@example.com", "nickname": "annie"});
        assert_eq!(profile_of(address).username.as_deref(), Some("Ana.M"));
        let refreshed = json!({"sub": "ana", "user_id": ANA, "nickname": "annie", "exp": NOW + 60});
        assert_eq!(read(&TRUSTED, &refreshed).unwrap().profile.username.as_deref(), Some("ana"));
    }

    #[test]
    fn a_name_is_cleaned_and_an_invalid_picture_is_left_out() {
        for (name, expected) in [
            (" Ana\r\nMaria\u{0} ", Some("Ana Maria")),
            ("\u{202E}anA", Some("anA")),
            ("\u{2067}Ana\u{2069}", Some("Ana")),
            ("\u{A0}\u{3000}\u{3164}", None),
            ("\n\u{0}", None),
        ] {
            assert_eq!(profile_of(json!({"name": name})).display_name.as_deref(), expected, "{name:?}");
        }
        let long = profile_of(json!({"name": "é".repeat(200)})).display_name.unwrap();
        assert_eq!(long.chars().count(), 100);
        let too_long = format!("https://a.example/{}", "a".repeat(512));
        for picture in [
            "https://user:pw@a.example/a.png",
            "https://user@a.example/a.png",
            "http://a.example/a.png",
            "javascript:alert(1)",
            "https://",
            "a.png",
            &too_long,
        ] {
            assert_eq!(profile_of(json!({"picture": picture})).avatar_url, None, "{picture}");
        }
        for (picture, expected) in [
            ("https://a.example/a.png", "https://a.example/a.png"),
            ("https://a.example\\@b.example\n/a", "https://a.example/@b.example/a"),
        ] {
            assert_eq!(profile_of(json!({"picture": picture})).avatar_url.as_deref(), Some(expected));
        }
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
