//! The forms in which names and email addresses are compared and searched.
//!
//! | form | equal | used for |
//! | --- | --- | --- |
//! | [`fold_email`] | case, compatibility characters, spaces | claims to email addresses |
//! | [`fold`] | also dots of `i` and `j`, which no font shows twice | claims to usernames |
//! | [`searchable`] | also accents, and letters with a common spelling in ASCII | the search index |

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

use crate::domain::text::PRESENTATION;

const DOT_ABOVE: char = '\u{307}';

/// The lower case letters that show no dot of their own under another mark (Unicode property `Soft_Dotted`),
/// without those that NFKC replaces.
const SOFT_DOTTED: [char; 9] = ['i', 'j', 'ɨ', 'ʝ', 'ϳ', 'і', 'ј', 'ᶖ', '\u{1DF1A}'];

/// Letters without a dot, with those that they look like under a dot.
const DOTLESS: [(char, char); 2] = [('ı', 'i'), ('ȷ', 'j')];

/// Lower case letters that have no decomposition, with their common spelling in ASCII.
const SPELLINGS: [(char, &str); 13] = [
    ('æ', "ae"),
    ('ð', "d"),
    ('đ', "d"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ȷ', "j"),
    ('ł', "l"),
    ('ŋ', "n"),
    ('ø', "o"),
    ('œ', "oe"),
    ('ß', "ss"),
    ('ŧ', "t"),
    ('þ', "th"),
];

/// An email address as it is claimed and searched: lower case, NFKC, single spaces.
pub fn fold_email(address: &str) -> String {
    single_spaces(&lower(address))
}

/// A username as it is compared: as of [`fold_email`], without a dot above a letter that has one already.
pub fn fold(name: &str) -> String {
    single_spaces(&without_second_dots(&lower(name)))
}

/// A username as it is searched: as of [`fold`], without accents, and with the listed spellings. The form of
/// a part of a name is a part of the form of the name, which makes parts searchable.
pub fn searchable(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in lower(name).nfkd().filter(|c| !is_accent(*c)) {
        match SPELLINGS.iter().find(|(letter, _)| *letter == c) {
            Some((_, spelling)) => plain.push_str(spelling),
            None => plain.push(c),
        }
    }
    single_spaces(&plain.nfc().collect::<String>())
}

fn lower(text: &str) -> String {
    let plain = text.chars().filter(|c| !PRESENTATION.contains(c)).nfkc();
    // Character by character, because the lower case of a sigma depends on its context, which a part lacks.
    let lower = plain.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    lower.nfkc().collect()
}

fn single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Removes dots above letters that show one already, and adds the dot of dotless letters to the letter.
fn without_second_dots(lower: &str) -> String {
    let mut plain: Vec<char> = Vec::with_capacity(lower.len());
    // The position of the letter to which the next marks belong.
    let mut base = None;
    for c in lower.nfd() {
        if canonical_combining_class(c) == 0 {
            base = Some(plain.len());
            plain.push(c);
            continue;
        }
        let letter = base.and_then(|at: usize| plain.get_mut(at)).filter(|_| c == DOT_ABOVE);
        match letter {
            Some(letter) if SOFT_DOTTED.contains(letter) => {}
            Some(letter) if DOTLESS.iter().any(|(dotless, _)| dotless == letter) => {
                *letter =
                    DOTLESS.iter().find(|(dotless, _)| dotless == letter).map_or(*letter, |pair| pair.1);
            }
            _ => plain.push(c),
        }
    }
    plain.into_iter().nfkc().collect()
}

/// Whether a character is a mark that searches ignore: strokes, accents and the points of Hebrew, Arabic and
/// Syriac. Vowel signs, nuktas, voicing marks and viramas are letters of their scripts.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 1 | 10..=36 | 200..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            // A dot above a letter that has one.
            ("irem", "İrem"),
            ("irem", "i\u{307}rem"),
            ("irem", "I\u{307}rem"),
            ("irem", "ı\u{307}rem"),
            ("irem", "i\u{307}\u{307}rem"),
            ("i\u{323}rem", "i\u{307}\u{323}rem"),
            ("i\u{323}rem", "i\u{323}\u{307}rem"),
            ("jan", "j\u{307}an"),
            ("jan", "ȷ\u{307}an"),
            ("į\u{301}", "į\u{307}\u{301}"),
            ("\u{456}van", "\u{456}\u{307}van"),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
            assert_eq!(searchable(one), searchable(other), "{one:?} {other:?}");
        }
        for (one, other) in [("zoe", "zoë"), ("irem", "ırem"), ("e\u{307}", "e"), ("strasse", "straße")] {
            assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn searches_ignore_accents_and_the_spelling_of_letters() {
        for (name, searched) in [
            ("Zoë", "zoe"),
            ("zoe\u{308}", "zoe"),
            ("İrem Işık", "irem isik"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("Søren", "soren"),
            ("Łukasz", "lukasz"),
            ("Đorđe", "dorde"),
            ("Þór", "thor"),
            ("Æsa Œuvre", "aesa oeuvre"),
            ("Ｚｏé", "zoe"),
            ("Nguyễn Ước", "nguyen uoc"),
            ("Ελένη", "ελενη"),
            ("Ёлка", "елка"),
            ("مُحَمَّد", "محمد"),
            // Not accents: a vowel sign, a virama, a voicing mark, syllables.
            ("सुमित्रा", "सुमित्रा"),
            ("ดุสิต", "ดุสิต"),
            ("がく", "がく"),
            ("안나", "안나"),
        ] {
            assert_eq!(searchable(name), searched, "{name}");
        }
    }

    #[test]
    fn an_email_address_keeps_its_letters() {
        assert_eq!(fold_email(" Ana@Example.COM "), "ana@example.com");
        assert_ne!(fold_email("ırem@example.com"), fold_email("irem@example.com"));
    }

    #[test]
    fn every_lower_case_soft_dotted_letter_is_listed() {
        for c in SOFT_DOTTED {
            assert_eq!(fold(&format!("{c}\u{307}")), fold(&c.to_string()), "{c}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(name in any::<String>()) {
            for form in [fold, fold_email, searchable] {
                let folded = form(&name);
                prop_assert!(!folded.contains("  "), "the separator of the search index");
                prop_assert_eq!(form(&folded), folded);
            }
        }

        #[test]
        fn a_name_folds_to_the_same_in_every_case_and_normalization_form(name in "\\PC{0,16}") {
            for form in [fold, searchable] {
                let folded = form(&name);
                prop_assert_eq!(form(&name.nfd().collect::<String>()), folded.clone());
                prop_assert_eq!(form(&name.nfkd().collect::<String>()), folded.clone());
                prop_assert_eq!(form(&name.to_lowercase()), folded);
            }
        }

        #[test]
        fn names_that_fold_to_the_same_are_searched_the_same(
            name in "[iıjȷİI\u{307}\u{323}\u{301}aß]{0,8}",
            other in "[iıjȷİI\u{307}\u{323}\u{301}aß]{0,8}",
        ) {
            prop_assert_eq!(searchable(&fold(&name)), searchable(&name));
            if fold(&name) == fold(&other) {
                prop_assert_eq!(searchable(&name), searchable(&other));
            }
        }
    }
}
