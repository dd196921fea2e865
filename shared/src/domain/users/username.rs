//! Usernames: validation, suggestions for new users, search queries, and the index for searches by a part.

use const_format::formatcp;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

pub use crate::domain::users::folding::{fold, searchable};
use crate::{
    domain::{
        text::{self, PRESENTATION, is_invisible},
        users::folding::fold_email,
    },
    id::UserId,
};

/// The maximum length of a stored username, in characters, both as it is and in its folded form.
pub const MAX_CHARS: usize = 64;

/// The minimum length of a search query, in characters.
pub const MIN_QUERY_CHARS: usize = 2;

/// The maximum length of a search query, in characters: that of an email address (RFC 5321, section
/// 4.5.3.1.3).
const MAX_QUERY_CHARS: usize = 254;

/// The maximum number of indexed suffixes per username.
const MAX_SUFFIXES: usize = 32;

/// The maximum length of a username that a user chooses, in characters, both as it is and in its other forms.
/// Up to this length, every part can be searched for.
const MAX_CHOSEN_CHARS: usize = 32;

/// The character that distinguishes email addresses from usernames.
const AT: char = '@';

/// The username shown for a deleted account. Reserved.
pub const DELETED: &str = "Deleted user";

/// Why a user cannot choose a username, given the result of [`text::tidy`]; `None` if they can.
pub fn violation(tidy: &str) -> Option<&'static str> {
    let fits = |name: &str| (MIN_QUERY_CHARS..=MAX_CHOSEN_CHARS).contains(&name.chars().count());
    if tidy.contains(is_forbidden) {
        Some("must not contain invisible characters or spaces other than U+0020")
    } else if has_at(tidy) {
        Some("must not contain @")
    } else if !fits(tidy) || !fits(&fold(tidy)) || !fits(&searchable(tidy)) {
        Some(formatcp!("must have {MIN_QUERY_CHARS} to {MAX_CHOSEN_CHARS} characters"))
    } else if is_reserved(tidy) {
        Some("must not be a reserved name")
    } else {
        None
    }
}

fn is_reserved(tidy: &str) -> bool {
    fold(tidy) == fold(DELETED)
}

/// Whether a text has an `@`, in any of its Unicode spellings.
fn has_at(text: &str) -> bool {
    fold_email(text).contains(AT)
}

/// Whether no username contains a character: invisible ones, spaces other than U+0020, and characters that
/// fonts may not know. With such characters, different usernames could look the same.
fn is_forbidden(c: char) -> bool {
    let is_allowed = c == ' ' || PRESENTATION.contains(&c);
    let is_unknown = || {
        matches!(get_general_category(c), Category::PrivateUse | Category::Surrogate | Category::Unassigned)
    };
    !is_allowed && (is_invisible(c) || is_unknown())
}

/// The username that a text of a token suggests: without characters that usernames cannot have. Of an email
/// address, the part before the `@`. `None` if nothing is left, or if the name is reserved.
pub fn suggested(text: &str) -> Option<String> {
    let text = text.replace(|c: char| c.is_control() || c.is_whitespace(), " ").replace(is_forbidden, "");
    let is_at = |c: char| has_at(c.encode_utf8(&mut [0; 4]));
    let name = text.trim_start_matches(|c| c == ' ' || is_at(c)).split(is_at).next().unwrap_or_default();
    let name = truncate(&text::tidy(name), MAX_CHARS);
    Some(name).filter(|name| !searchable(name).is_empty() && !is_reserved(name))
}

/// The usernames to try for a new user, in order: the preferred one, then the same with an increasing part of
/// the user's id. Without a usable preference, the candidates consist of the id.
pub fn candidates(preferred: Option<&str>, user: UserId) -> Vec<String> {
    let id = user.to_string().replace('-', "");
    match preferred.and_then(suggested) {
        Some(name) => {
            let stem = truncate(&name, MAX_CHARS - 1 - id.len());
            // A trailing space or selector folds to nothing, but not once a suffix follows it.
            let stem = stem.trim_end_matches(|c| c == ' ' || PRESENTATION.contains(&c));
            let longer = [4, 8, id.len()].map(|digits| format!("{stem}-{}", &id[..digits]));
            let is_findable = searchable(&name).chars().count() >= MIN_QUERY_CHARS;
            Some(name).filter(|_| is_findable).into_iter().chain(longer).collect()
        }
        None => [8, id.len()].map(|digits| format!("user-{}", &id[..digits])).to_vec(),
    }
}

/// Truncates a name to `max` characters, also in its folded form: some characters fold to several.
fn truncate(name: &str, max: usize) -> String {
    let mut name: String = name.chars().take(max).collect();
    while fold(&name).chars().count() > max {
        name.pop();
    }
    name.trim_end().to_owned()
}

/// What a search looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchQuery {
    /// A part of a username, as of [`searchable`]. It has no two spaces in a row, which separate usernames and
    /// user ids in the keys of the index.
    Name(String),
    /// An entire email address, as of [`fold_email`].
    Email(String),
}

impl SearchQuery {
    /// Reads what a user entered, or returns why it is not valid. An `@` before a name is ignored.
    pub fn read(query: &str) -> Result<Self, &'static str> {
        // Copied text can contain characters that no username has.
        let visible = query.replace(|c: char| is_invisible(c) && !c.is_whitespace(), "");
        let email = fold_email(&visible).trim_start_matches([AT, ' ']).to_owned();
        let name = searchable(&email);
        if name.chars().count() < MIN_QUERY_CHARS {
            Err(formatcp!("must have at least {MIN_QUERY_CHARS} characters"))
        } else if email.chars().count() > MAX_QUERY_CHARS {
            Err(formatcp!("must have at most {MAX_QUERY_CHARS} characters"))
        } else if name.contains(AT) {
            Ok(Self::Email(email))
        } else {
            Ok(Self::Name(name))
        }
    }
}

/// The suffixes under which a username is indexed, as of [`searchable`]: every part that can be searched for
/// is a prefix of one of them.
pub fn suffixes(searchable: &str) -> Vec<&str> {
    let starts: Vec<usize> = searchable.char_indices().map(|(at, _)| at).collect();
    let count = (starts.len() + 1).saturating_sub(MIN_QUERY_CHARS).min(MAX_SUFFIXES);
    let mut suffixes: Vec<&str> = starts[..count].iter().map(|at| &searchable[*at..]).collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    suffixes
}

/// The index partition of a suffix or query: its first characters.
pub fn partition(searchable: &str) -> String {
    searchable.chars().take(MIN_QUERY_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn user() -> UserId {
        Uuid::from_u128(0xabcd_ef01_2345_4789_8abc_def0_1234_5678).into()
    }

    #[test]
    fn candidates_append_a_part_of_the_id_to_the_preferred_name() {
        assert_eq!(candidates(Some("  Ana\tB "), user())[..2], ["Ana B".to_owned(), "Ana B-abcd".to_owned()]);
        assert!(
            candidates(Some(&"x".repeat(300)), user()).iter().all(|name| name.chars().count() <= MAX_CHARS)
        );
    }

    #[test]
    fn candidates_without_a_preferred_name_consist_of_the_id() {
        assert_eq!(candidates(None, user())[0], "user-abcdef01");
        assert_eq!(candidates(Some(" \u{0} "), user())[0], "user-abcdef01");
        assert_eq!(candidates(Some("a"), user())[0], "a-abcd", "one character could not be searched for");
    }

    #[test]
    fn the_name_of_deleted_accounts_is_reserved() {
        for name in [
            "Deleted user",
            "deleted USER",
            " Deleted  User ",
            "Ｄｅｌｅｔｅｄ ｕｓｅｒ",
            "ⓓeleted\u{FE0F} user",
        ] {
            assert_eq!(violation(&text::tidy(name)), Some("must not be a reserved name"), "{name}");
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01");
        }
        for name in ["Deleted\u{A0}user", "Dele\u{200B}ted user", "Deleted\u{3000}\u{2060}user"] {
            assert!(violation(name).is_some(), "{name:?}");
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01");
        }
        assert_eq!(violation("Deleted users"), None);
    }

    #[test]
    fn a_chosen_name_has_a_limited_length_and_indexes_every_part() {
        for (name, fits) in [("a", false), ("zoë", true), (&"x".repeat(32), true), (&"x".repeat(33), false)]
        {
            assert_eq!(violation(name).is_none(), fits, "{name}");
        }
        assert_eq!(violation(""), Some("must have 2 to 32 characters"));
        // U+FDFA folds to 18 characters, a letter and a selector or accent to one, and ß is searched as ss.
        for (name, fits) in [
            ("\u{FDFA}x", true),
            ("\u{FDFA}\u{FDFA}", false),
            ("a\u{FE0F}", false),
            ("x\u{30A}", false),
            (&"ß".repeat(16), true),
            (&"ß".repeat(17), false),
        ] {
            assert_eq!(violation(name).is_none(), fits, "{name:?}");
        }
        assert_eq!(suffixes(&"abcdefgh".repeat(4)).len(), 31);
    }

    #[test]
    fn a_username_has_no_at_and_that_of_an_email_address_is_its_first_part() {
        for name in ["ana@example.com", "@ana", "ana＠example.com", "an\u{FE6B}a", "an@", "@@@"] {
            assert_eq!(violation(name), Some("must not contain @"), "{name}");
        }
        for (text, name) in [
            ("ana@example.com", "ana"),
            ("Ana.Maria+run@example.com", "Ana.Maria+run"),
            ("@ana", "ana"),
            (" @ ana @home", "ana"),
            ("ana＠example.com", "ana"),
            ("Ana Maria", "Ana Maria"),
        ] {
            assert_eq!(suggested(text).as_deref(), Some(name), "{text}");
        }
        for text in ["", "@", "@@", "Deleted user@example.com", "\u{301}", "\u{200B}@\u{3164}"] {
            assert_eq!(suggested(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_query_is_a_part_of_a_name_or_an_email_address_and_never_a_part_of_a_key() {
        let read = |query| SearchQuery::read(query).unwrap();
        for (query, name) in [
            ("An", "an"),
            (" İREM ", "irem"),
            ("Zoë", "zoe"),
            ("@ana", "ana"),
            ("an\u{200B}a\u{0}", "ana"),
            ("77#9f0e", "77#9f0e"),
            ("77  9f0e", "77 9f0e"),
            ("77 \u{200B} 9f0e", "77 9f0e"),
            ("77\u{301} \u{301} 9f0e", "77 9f0e"),
        ] {
            assert_eq!(read(query), SearchQuery::Name(name.to_owned()), "{query:?}");
        }
        for (query, email) in [
            (" Ana@Example.com", "ana@example.com"),
            ("ana＠example.com", "ana@example.com"),
            ("77@9f0e", "77@9f0e"),
            ("zoë@example.com", "zoë@example.com"),
        ] {
            assert_eq!(read(query), SearchQuery::Email(email.to_owned()), "{query:?}");
        }
        for query in ["", " a ", "é", "@a", "@@@", "\u{200B}\u{200B}", "e\u{301}\u{302}", &"a".repeat(255)] {
            assert!(SearchQuery::read(query).is_err(), "{query:?}");
        }
    }

    #[test]
    fn invisible_characters_are_rejected_and_removed_from_candidates() {
        let invisible = [
            '\u{7}',
            '\u{A0}',
            '\u{AD}',
            '\u{34F}',
            '\u{1160}',
            '\u{2003}',
            '\u{200B}',
            '\u{200D}',
            '\u{200E}',
            '\u{2028}',
            '\u{202E}',
            '\u{2060}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{378}',
            '\u{E000}',
            '\u{FE00}',
            '\u{FEFF}',
            '\u{FFFF}',
            '\u{E0041}',
            '\u{E0100}',
            '\u{10FFFF}',
        ];
        for c in invisible {
            let name = format!("a{c}b");
            assert!(violation(&name).is_some_and(|violation| violation.contains("invisible")), "{name:?}");
            let kept = &candidates(Some(&name), user())[0];
            assert!(kept == "ab" || kept == "a b", "{name:?}: {kept:?}");
        }
        for name in [
            "Zoë",
            "zoe\u{308}",
            "Ана",
            "सीता",
            "안나",
            "山田 太郎",
            "a-b_c.d!",
            "ana🏃🏽",
            "i❤\u{FE0F}run",
            "1\u{FE0F}\u{20E3} ana",
        ] {
            assert_eq!(violation(name), None, "{name:?}");
            assert_eq!(candidates(Some(name), user())[0], name);
        }
        for name in ["\u{200B}\u{FEFF}", "\u{FE0F}", "\u{3164} \u{2800}"] {
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01", "{name:?}");
        }
    }

    #[test]
    fn candidates_are_limited_in_their_folded_form() {
        for preferred in ["\u{FDFA}".repeat(300), "ab ".repeat(100), "ß".repeat(300)] {
            for name in candidates(Some(&preferred), user()) {
                assert!((18..=MAX_CHARS).contains(&fold(&name).chars().count()), "{name}");
                assert_eq!(text::tidy(&name), name);
            }
        }
    }

    #[test]
    fn suffixes_are_limited_in_number_and_distinct() {
        assert_eq!(suffixes("anana"), ["ana", "anana", "na", "nana"]);
        assert_eq!(suffixes("é"), Vec::<&str>::new());
        assert_eq!(suffixes(&"ab".repeat(50)).len(), 32);
        assert_eq!(suffixes("zoë"), ["oë", "zoë"]);
    }

    proptest! {
        #[test]
        fn every_candidate_is_visible_and_limited_in_length(preferred in prop_oneof![
            any::<String>(),
            "(Deleted user|[x@＠ \u{FE0F}\u{FDFA}]{1,9}){1,9}",
            "(Deleted user)?\u{FE0F}{50,70}x?",
        ]) {
            for name in candidates(Some(&preferred), user()) {
                prop_assert!(!name.contains(is_forbidden) && text::tidy(&name) == name);
                prop_assert!(!is_reserved(&name) && !has_at(&name));
                let (length, folded) = (name.chars().count(), fold(&name).chars().count());
                prop_assert!(length <= MAX_CHARS && (1..=MAX_CHARS).contains(&folded));
            }
        }

        #[test]
        fn every_searchable_part_of_a_name_is_a_prefix_of_a_suffix(name in "\\PC{2,30}", start in 0..28usize, length in 2..30usize) {
            let form = searchable(&name);
            let part: String = form.chars().skip(start).take(length).collect();
            prop_assume!(part.chars().count() >= MIN_QUERY_CHARS);
            prop_assume!(form.chars().count() <= 32);
            let query = searchable(&part);
            prop_assume!(query.chars().count() >= MIN_QUERY_CHARS);
            let matches = |suffix: &&str| suffix.starts_with(&query) && partition(suffix) == partition(&query);
            prop_assert!(suffixes(&form).iter().any(matches), "{:?} of {:?}", query, form);
        }
    }
}
