//! Usernames: validation, comparison, candidates for new users, and the index for searches by a part.

use std::ops::RangeInclusive;

use const_format::formatcp;
use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::id::UserId;

/// The maximum length of a stored username, in characters, both as it is and in its folded form.
pub const MAX_CHARS: usize = 64;

/// The minimum length of a search query, in characters.
pub const MIN_QUERY_CHARS: usize = 2;

/// The maximum number of indexed suffixes per username.
const MAX_SUFFIXES: usize = 32;

/// The maximum length of a username that a user chooses, in characters, both as it is and in its folded form.
/// Up to this length, every part can be searched for.
const MAX_CHOSEN_CHARS: usize = 32;

/// Invisible characters that Unicode categorizes as letters, marks or symbols: fillers, the Braille blank,
/// joiners and selectors.
const BLANKS: [RangeInclusive<char>; 12] = [
    '\u{34F}'..='\u{34F}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180F}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{FE00}'..='\u{FE0D}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{13441}'..='\u{13442}',
    '\u{16FE4}'..='\u{16FE4}',
    '\u{1D159}'..='\u{1D159}',
    '\u{E0100}'..='\u{E01EF}',
];

/// Selectors of text or emoji presentation. Keyboards append them to many emoji, so they are allowed but do
/// not distinguish usernames.
const PRESENTATION: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];

/// The username shown for a deleted account. Reserved.
pub const DELETED: &str = "Deleted user";

/// Why a user cannot choose a username, given the result of [`tidy`]; `None` if they can.
pub fn violation(tidy: &str) -> Option<&'static str> {
    let fits = |name: &str| (MIN_QUERY_CHARS..=MAX_CHOSEN_CHARS).contains(&name.chars().count());
    if tidy.contains(is_invisible) {
        Some("must not contain invisible characters or spaces other than U+0020")
    } else if !fits(tidy) || !fits(&fold(tidy)) {
        Some(formatcp!("must have {MIN_QUERY_CHARS} to {MAX_CHOSEN_CHARS} characters"))
    } else if is_reserved(tidy) {
        Some("must not be a reserved name")
    } else {
        None
    }
}

/// Removes leading, trailing and repeated spaces.
pub fn tidy(name: &str) -> String {
    name.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_reserved(tidy: &str) -> bool {
    fold(tidy) == fold(DELETED)
}

/// The folded form, by which usernames are compared: lower case, NFKC, single spaces. Folding a part of a
/// name gives a part of the folded name, which makes parts searchable.
pub fn fold(name: &str) -> String {
    let plain = name.chars().filter(|c| !PRESENTATION.contains(c)).nfkc();
    // Character by character, because the lower case of a sigma depends on its context, which a part lacks.
    let lower = plain.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    let folded: String = lower.nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character is invisible, or a space other than U+0020. With such characters, different usernames
/// could look the same.
fn is_invisible(c: char) -> bool {
    match get_general_category(c) {
        Category::Control
        | Category::Format
        | Category::LineSeparator
        | Category::ParagraphSeparator
        | Category::PrivateUse
        | Category::Surrogate
        | Category::Unassigned => true,
        Category::SpaceSeparator => c != ' ',
        _ => BLANKS.iter().any(|blanks| blanks.contains(&c)),
    }
}

/// The usernames to try for a new user, in order: the preferred one, then the same with an increasing part of
/// the user's id. Without a usable preference, the candidates consist of the id.
pub fn candidates(preferred: Option<&str>, user: UserId) -> Vec<String> {
    let id = user.to_string().replace('-', "");
    let space = |c: char| c.is_control() || c.is_whitespace();
    let visible = preferred.map(|name| tidy(&name.replace(space, " ").replace(is_invisible, "")));
    let visible = visible.map(|name| truncate(&name, MAX_CHARS));
    match visible.filter(|name| !fold(name).is_empty() && !is_reserved(name)) {
        Some(name) => {
            let stem = truncate(&name, MAX_CHARS - 1 - id.len());
            // A trailing space or selector folds to nothing, but not once a suffix follows it.
            let stem = stem.trim_end_matches(|c| c == ' ' || PRESENTATION.contains(&c));
            let longer = [4, 8, id.len()].map(|digits| format!("{stem}-{}", &id[..digits]));
            std::iter::once(name).chain(longer).collect()
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

/// The suffixes under which a folded username is indexed: every searchable part is a prefix of one of them.
pub fn suffixes(folded: &str) -> Vec<&str> {
    let starts: Vec<usize> = folded.char_indices().map(|(at, _)| at).collect();
    let searchable = (starts.len() + 1).saturating_sub(MIN_QUERY_CHARS).min(MAX_SUFFIXES);
    let mut suffixes: Vec<&str> = starts[..searchable].iter().map(|at| &folded[*at..]).collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    suffixes
}

/// The index partition of a suffix or query: its first characters.
pub fn partition(folded: &str) -> String {
    folded.chars().take(MIN_QUERY_CHARS).collect()
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
            assert_eq!(violation(&tidy(name)), Some("must not be a reserved name"), "{name}");
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
        assert_eq!(tidy("  Ana   B "), "Ana B");
        for (name, fits) in [("a", false), ("zoë", true), (&"x".repeat(32), true), (&"x".repeat(33), false)]
        {
            assert_eq!(violation(name).is_none(), fits, "{name}");
        }
        assert_eq!(violation(""), Some("must have 2 to 32 characters"));
        // U+FDFA folds to 18 characters; a letter and a selector fold to one.
        for (name, fits) in [("\u{FDFA}x", true), ("\u{FDFA}\u{FDFA}", false), ("a\u{FE0F}", false)] {
            assert_eq!(violation(name).is_none(), fits, "{name:?}");
        }
        assert_eq!(suffixes(&"abcdefgh".repeat(4)).len(), 31);
    }

    #[test]
    fn names_that_look_the_same_fold_to_the_same() {
        for (one, other) in [
            ("ana", "ＡＮＡ"),
            ("zo\u{EB}", "zoe\u{308}"),
            ("\u{1E9B}\u{323}", "\u{1E69}"),
            ("\u{212B}ngstrom", "\u{C5}ngstrom"),
            ("ΟΔΟΣ", "οδος"),
            ("a❤", "a❤\u{FE0F}"),
            ("ﬁt", "fit"),
            (" ana \u{A0}b", "ana b"),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
        }
        assert_ne!(fold("zoe"), fold("zoë"));
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
                assert_eq!(tidy(&name), name);
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
        fn folding_is_idempotent(name in any::<String>()) {
            let folded = fold(&name);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn a_name_folds_to_the_same_in_every_case_and_normalization_form(name in "\\PC{0,16}") {
            let folded = fold(&name);
            prop_assert_eq!(fold(&name.nfd().collect::<String>()), folded.clone());
            prop_assert_eq!(fold(&name.nfkd().collect::<String>()), folded.clone());
            prop_assert_eq!(fold(&name.to_lowercase()), folded);
        }

        #[test]
        fn every_candidate_is_visible_and_limited_in_length(preferred in prop_oneof![
            any::<String>(),
            "(Deleted user|[x \u{FE0F}\u{FDFA}]{1,9}){1,9}",
            "(Deleted user)?\u{FE0F}{50,70}x?",
        ]) {
            for name in candidates(Some(&preferred), user()) {
                prop_assert!(!name.contains(is_invisible) && tidy(&name) == name && !is_reserved(&name));
                let (length, folded) = (name.chars().count(), fold(&name).chars().count());
                prop_assert!(length <= MAX_CHARS && (1..=MAX_CHARS).contains(&folded));
            }
        }

        #[test]
        fn every_searchable_part_of_a_name_is_a_prefix_of_a_suffix(name in "\\PC{2,30}", start in 0..28usize, length in 2..30usize) {
            let folded = fold(&name);
            let part: String = folded.chars().skip(start).take(length).collect();
            prop_assume!(part.chars().count() >= MIN_QUERY_CHARS);
            prop_assume!(folded.chars().count() <= 32);
            let query = fold(&part);
            prop_assume!(query.chars().count() >= MIN_QUERY_CHARS);
            let matches = |suffix: &&str| suffix.starts_with(&query) && partition(suffix) == partition(&query);
            prop_assert!(suffixes(&folded).iter().any(matches), "{:?} of {:?}", query, folded);
        }
    }
}
