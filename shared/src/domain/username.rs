//! Usernames: how they compare, how a taken one gives way, and how a part of one is found.

use crate::id::UserId;

/// The longest username kept, in characters.
pub const MAX_CHARS: usize = 64;

/// The shortest part of a username that can be searched for, in characters.
pub const MIN_QUERY_CHARS: usize = 2;

/// A username can be found from at most this many starting points.
const MAX_SUFFIXES: usize = 32;

/// The longest username that somebody can choose, in characters: any part of such a one can be searched for.
const MAX_CHOSEN_CHARS: usize = 32;

/// Who has deleted their account is shown by this name, and nobody else.
pub const DELETED: &str = "Deleted user";

/// What is wrong with a username that somebody chooses; `tidy` as of [`tidy`].
pub fn fault(tidy: &str) -> Option<&'static str> {
    if tidy.contains(char::is_control) {
        Some("must not contain control characters")
    } else if !(MIN_QUERY_CHARS..=MAX_CHOSEN_CHARS).contains(&tidy.chars().count()) {
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

/// The form in which usernames compare: without regard to case or surrounding space.
pub fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The names to try for a new user, in order: the wanted one, then the same with more and more of the user's id.
/// Without a usable wish, the name is made of the id alone.
pub fn candidates(wanted: Option<&str>, user: UserId) -> Vec<String> {
    let id = user.to_string().replace('-', "");
    let plain = |c: char| c.is_control() || c.is_whitespace();
    let visible = wanted.map(|name| tidy(&name.replace(plain, " ")));
    match visible.filter(|name| !name.is_empty() && !is_reserved(name)) {
        Some(name) => {
            let name: String = name.chars().take(MAX_CHARS).collect();
            let stem: String = name.chars().take(MAX_CHARS - 1 - id.len()).collect();
            let longer = [4, 8, id.len()].map(|digits| format!("{}-{}", stem.trim_end(), &id[..digits]));
            std::iter::once(name).chain(longer).collect()
        }
        None => [8, id.len()].map(|digits| format!("user-{}", &id[..digits])).to_vec(),
    }
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
        for name in ["Deleted user", "deleted USER", " Deleted  User "] {
            assert_eq!(fault(&tidy(name)), Some("must be another one: this one stands for nobody"), "{name}");
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
        assert_eq!(fault("a\u{7}b"), Some("must not contain control characters"));
        assert_eq!(fault(""), Some("must have 2 to 32 characters"));
        assert_eq!(suffixes(&"abcdefgh".repeat(4)).len(), 31);
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
        fn any_part_of_a_name_begins_one_of_its_ends(name in "\\PC{2,30}", start in 0..28usize, length in 2..30usize) {
            let folded = fold(&name);
            let part: String = folded.chars().skip(start).take(length).collect();
            prop_assume!(part.chars().count() >= MIN_QUERY_CHARS);
            prop_assume!(folded.chars().count() <= 32);
            prop_assert!(suffixes(&folded).iter().any(|end| end.starts_with(&part) && partition(end) == partition(&part)));
        }
    }
}
