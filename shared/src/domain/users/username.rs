//! Usernames: how they compare, how a taken one gives way, and how a part of one is found.

use std::ops::RangeInclusive;

use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::id::UserId;

/// The longest username kept, in characters, as it is and as it is folded.
pub const MAX_CHARS: usize = 64;

/// The shortest part of a username that can be searched for, in characters.
pub const MIN_QUERY_CHARS: usize = 2;

/// A username can be found from at most this many starting points.
const MAX_SUFFIXES: usize = 32;

/// The longest username that somebody can choose, in characters, as it is and as it is folded: any part of such a one can
/// be searched for.
const MAX_CHOSEN_CHARS: usize = 32;

/// Letters, marks and symbols by Unicode's categories that show nothing: fillers, the blank of Braille, joiners and selectors.
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

/// Which of its two looks an emoji has. Keyboards put it to many of them, so it may be there, but makes no other name.
const PRESENTATION: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];

/// Who has deleted their account is shown by this name, and nobody else.
pub const DELETED: &str = "Deleted user";

/// What is wrong with a username that somebody chooses; `tidy` as of [`tidy`].
pub fn fault(tidy: &str) -> Option<&'static str> {
    let fits = |name: &str| (MIN_QUERY_CHARS..=MAX_CHOSEN_CHARS).contains(&name.chars().count());
    if tidy.contains(is_unseen) {
        Some("must not contain invisible characters, nor spaces other than the plain one")
    } else if !fits(tidy) || !fits(&fold(tidy)) {
        Some("must have 2 to 32 characters")
    } else if is_reserved(tidy) {
        Some("must be another one: this one stands for nobody")
    } else {
        None
    }
}

/// A name without space around it, and with one space at a time within.
pub fn tidy(name: &str) -> String {
    name.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_reserved(tidy: &str) -> bool {
    fold(tidy) == fold(DELETED)
}

/// The form in which usernames compare: without regard to case, to the ways in which a character can be written (NFKC), and
/// to how much space there is. Part by part it is the same as of the whole, so that parts can be searched for.
pub fn fold(name: &str) -> String {
    let plain = name.chars().filter(|c| !PRESENTATION.contains(c)).nfkc();
    // Character by character: the lower case of a sigma depends on what is around it, which a part does not tell.
    let lower = plain.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    let folded: String = lower.nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether nobody sees a character, or it looks like the plain space and is another one. Two names could look the same by
/// it.
fn is_unseen(c: char) -> bool {
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

/// The names to try for a new user, in order: the wanted one, then the same with more and more of the user's id.
/// Without a usable wish, the name is made of the id alone.
pub fn candidates(wanted: Option<&str>, user: UserId) -> Vec<String> {
    let id = user.to_string().replace('-', "");
    let space = |c: char| c.is_control() || c.is_whitespace();
    let visible = wanted.map(|name| tidy(&name.replace(space, " ").replace(is_unseen, "")));
    let visible = visible.map(|name| beginning(&name, MAX_CHARS));
    match visible.filter(|name| !fold(name).is_empty() && !is_reserved(name)) {
        Some(name) => {
            let stem = beginning(&name, MAX_CHARS - 1 - id.len());
            // What folds to nothing at an end, such as space, would count once something follows it.
            let stem = stem.trim_end_matches(|c| c == ' ' || PRESENTATION.contains(&c));
            let longer = [4, 8, id.len()].map(|digits| format!("{stem}-{}", &id[..digits]));
            std::iter::once(name).chain(longer).collect()
        }
        None => [8, id.len()].map(|digits| format!("user-{}", &id[..digits])).to_vec(),
    }
}

/// As much of a name as has at most so many characters, also when it is folded: some characters stand for many.
fn beginning(name: &str, most: usize) -> String {
    let mut name: String = name.chars().take(most).collect();
    while fold(&name).chars().count() > most {
        name.pop();
    }
    name.trim_end().to_owned()
}

/// The ends of a folded username under which it is indexed, so that any part of it is the beginning of one.
pub fn suffixes(folded: &str) -> Vec<&str> {
    let starts: Vec<usize> = folded.char_indices().map(|(at, _)| at).collect();
    let searchable = (starts.len() + 1).saturating_sub(MIN_QUERY_CHARS).min(MAX_SUFFIXES);
    let mut ends: Vec<&str> = starts[..searchable].iter().map(|at| &folded[*at..]).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// The first two characters, which name the index partition of a suffix or a query.
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
    fn a_taken_name_gives_way_to_the_same_with_a_part_of_the_id() {
        assert_eq!(candidates(Some("  Ana\tB "), user())[..2], ["Ana B".to_owned(), "Ana B-abcd".to_owned()]);
        assert!(
            candidates(Some(&"x".repeat(300)), user()).iter().all(|name| name.chars().count() <= MAX_CHARS)
        );
    }

    #[test]
    fn a_user_without_a_name_gets_one_from_the_id() {
        assert_eq!(candidates(None, user())[0], "user-abcdef01");
        assert_eq!(candidates(Some(" \u{0} "), user())[0], "user-abcdef01");
    }

    #[test]
    fn nobody_is_called_as_those_who_are_gone() {
        for name in [
            "Deleted user",
            "deleted USER",
            " Deleted  User ",
            "Ｄｅｌｅｔｅｄ ｕｓｅｒ",
            "ⓓeleted\u{FE0F} user",
        ] {
            assert_eq!(fault(&tidy(name)), Some("must be another one: this one stands for nobody"), "{name}");
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01");
        }
        for name in ["Deleted\u{A0}user", "Dele\u{200B}ted user", "Deleted\u{3000}\u{2060}user"] {
            assert!(fault(name).is_some(), "{name:?}");
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01");
        }
        assert_eq!(fault("Deleted users"), None);
    }

    #[test]
    fn a_chosen_name_can_be_found_by_any_part_of_it() {
        assert_eq!(tidy("  Ana   B "), "Ana B");
        for (name, fits) in [("a", false), ("zoë", true), (&"x".repeat(32), true), (&"x".repeat(33), false)]
        {
            assert_eq!(fault(name).is_none(), fits, "{name}");
        }
        assert_eq!(fault(""), Some("must have 2 to 32 characters"));
        // One character that is eighteen when it is folded, and two that are one.
        for (name, fits) in [("\u{FDFA}x", true), ("\u{FDFA}\u{FDFA}", false), ("a\u{FE0F}", false)] {
            assert_eq!(fault(name).is_none(), fits, "{name:?}");
        }
        assert_eq!(suffixes(&"abcdefgh".repeat(4)).len(), 31);
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
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
    fn what_nobody_sees_is_no_part_of_a_name() {
        let unseen = [
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
        for c in unseen {
            let name = format!("a{c}b");
            assert!(fault(&name).is_some_and(|fault| fault.contains("invisible")), "{name:?}");
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
            assert_eq!(fault(name), None, "{name:?}");
            assert_eq!(candidates(Some(name), user())[0], name);
        }
        for name in ["\u{200B}\u{FEFF}", "\u{FE0F}", "\u{3164} \u{2800}"] {
            assert_eq!(candidates(Some(name), user())[0], "user-abcdef01", "{name:?}");
        }
    }

    #[test]
    fn names_from_tokens_are_bounded_as_they_are_folded() {
        for wanted in ["\u{FDFA}".repeat(300), "ab ".repeat(100), "ß".repeat(300)] {
            for name in candidates(Some(&wanted), user()) {
                assert!((18..=MAX_CHARS).contains(&fold(&name).chars().count()), "{name}");
                assert_eq!(tidy(&name), name);
            }
        }
    }

    #[test]
    fn the_ends_of_a_name_are_bounded_and_distinct() {
        assert_eq!(suffixes("anana"), ["ana", "anana", "na", "nana"]);
        assert_eq!(suffixes("é"), Vec::<&str>::new());
        assert_eq!(suffixes(&"ab".repeat(50)).len(), 32);
        assert_eq!(suffixes("zoë"), ["oë", "zoë"]);
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_so(name in any::<String>()) {
            let folded = fold(&name);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn a_name_is_the_same_in_whatever_case_and_form(name in "\\PC{0,16}") {
            let folded = fold(&name);
            prop_assert_eq!(fold(&name.nfd().collect::<String>()), folded.clone());
            prop_assert_eq!(fold(&name.nfkd().collect::<String>()), folded.clone());
            prop_assert_eq!(fold(&name.to_lowercase()), folded);
        }

        #[test]
        fn every_candidate_is_visible_and_short(wanted in prop_oneof![
            any::<String>(),
            "(Deleted user|[x \u{FE0F}\u{FDFA}]{1,9}){1,9}",
            "(Deleted user)?\u{FE0F}{50,70}x?",
        ]) {
            for name in candidates(Some(&wanted), user()) {
                prop_assert!(!name.contains(is_unseen) && tidy(&name) == name && !is_reserved(&name));
                let (length, folded) = (name.chars().count(), fold(&name).chars().count());
                prop_assert!(length <= MAX_CHARS && (1..=MAX_CHARS).contains(&folded));
            }
        }

        #[test]
        fn any_part_of_a_name_begins_one_of_its_ends(name in "\\PC{2,30}", start in 0..28usize, length in 2..30usize) {
            let folded = fold(&name);
            let part: String = folded.chars().skip(start).take(length).collect();
            prop_assume!(part.chars().count() >= MIN_QUERY_CHARS);
            prop_assume!(folded.chars().count() <= 32);
            let query = fold(&part);
            prop_assume!(query.chars().count() >= MIN_QUERY_CHARS);
            let begins = |end: &&str| end.starts_with(&query) && partition(end) == partition(&query);
            prop_assert!(suffixes(&folded).iter().any(begins), "{:?} of {:?}", query, folded);
        }
    }
}
