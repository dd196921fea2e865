//! Texts that users and apps write: which characters are visible, and how a text is cleaned.
//!
//! The same rules apply to all texts. A text that may have several lines is cleaned: messages, descriptions,
//! reports. A text of one line is refused if it disturbs the line: display names, names of groups.

use std::ops::RangeInclusive;

use unicode_general_category::{GeneralCategory, get_general_category};

/// Characters without a glyph that are no white space, control or format characters: the other ones of
/// `Default_Ignorable_Code_Point` (Unicode, `DerivedCoreProperties.txt`), and the blanks of some scripts.
const BLANKS: [RangeInclusive<char>; 14] = [
    '\u{34F}'..='\u{34F}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180F}',
    '\u{2065}'..='\u{2065}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{FFF0}'..='\u{FFF8}',
    '\u{13441}'..='\u{13442}',
    '\u{16FE4}'..='\u{16FE4}',
    '\u{1D159}'..='\u{1D159}',
    '\u{E0000}'..='\u{E0FFF}',
];

/// Selectors of text or emoji presentation. Keyboards append them to many emoji, where they are not needed.
pub const PRESENTATION: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];

/// Format characters that have a glyph (`Prepended_Concatenation_Mark`): Arabic and Kaithi number signs.
const VISIBLE_FORMATS: [RangeInclusive<char>; 7] = [
    '\u{600}'..='\u{605}',
    '\u{6DD}'..='\u{6DD}',
    '\u{70F}'..='\u{70F}',
    '\u{890}'..='\u{891}',
    '\u{8E2}'..='\u{8E2}',
    '\u{110BD}'..='\u{110BD}',
    '\u{110CD}'..='\u{110CD}',
];

/// Whether a character leaves no mark on a screen by itself: white space, control and format characters,
/// fillers, joiners, selectors and noncharacters.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || is_one_of(&BLANKS, c)
        || is_noncharacter(c)
        || get_general_category(c) == GeneralCategory::Format && !is_one_of(&VISIBLE_FORMATS, c)
}

fn is_one_of(ranges: &[RangeInclusive<char>], c: char) -> bool {
    ranges.iter().any(|range| range.contains(&c))
}

/// Code points that are never characters (Unicode, section 23.7).
fn is_noncharacter(c: char) -> bool {
    u32::from(c) & 0xFFFE == 0xFFFE || ('\u{FDD0}'..='\u{FDEF}').contains(&c)
}

/// Whether nothing of a text is visible.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// The text without surrounding white space; `None` if it is blank.
pub fn visible(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !is_blank(text))
}

/// A text of several lines with one kind of line break, U+000A, and without other control characters except
/// tabs. Word processors break lines with U+000B, so it must not be lost.
pub fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(breaks_line, "\n");
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "")
}

/// Whether a line always ends after a character (Unicode Standard Annex #14, classes BK, CR, LF and NL).
fn breaks_line(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A text of one line without surrounding white space and repeated spaces.
pub fn tidy(line: &str) -> String {
    line.trim().split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Why a text cannot be shown within a line; `None` if it can. An override of the text direction would also
/// affect what follows in the line.
pub fn line_violation(text: &str) -> Option<&'static str> {
    let message = "must not contain line breaks, control characters or overrides of the text direction";
    text.contains(disturbs_line).then_some(message)
}

fn disturbs_line(c: char) -> bool {
    c.is_control() || breaks_line(c) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line of at most `max` characters that has no [`line_violation`]; `None` if it is blank.
pub fn clean_line(text: &str, max: usize) -> Option<String> {
    let text = text.replace(|c: char| breaks_line(c) || c == '\t', " ").replace(disturbs_line, "");
    let line: String = tidy(&text).chars().take(max).collect();
    visible(&line).map(str::to_owned)
}

/// Why a text is not valid as an id or token that an app chooses; `None` if it is.
pub fn id_violation(id: &str) -> Option<&'static str> {
    let is_hidden = |c| c != ' ' && is_invisible(c);
    id.contains(is_hidden).then_some("must not contain control characters or invisible characters")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_without_a_visible_character_is_blank() {
        let invisible = "\t\n\u{B}\r \u{0}\u{7F}\u{85}\u{A0}\u{AD}\u{34F}\u{61C}\u{115F}\u{1160}\u{1680}\
                         \u{17B4}\u{180B}\u{180E}\u{2000}\u{200A}\u{200B}\u{200C}\u{200D}\u{200E}\u{200F}\
                         \u{2028}\u{2029}\u{202A}\u{202E}\u{202F}\u{205F}\u{2060}\u{2064}\u{2065}\u{2066}\
                         \u{206F}\u{2800}\u{3000}\u{3164}\u{FDD0}\u{FE00}\u{FE0F}\u{FEFF}\u{FFA0}\u{FFF0}\
                         \u{FFF9}\u{FFFE}\u{FFFF}\u{13430}\u{13441}\u{16FE4}\u{1BCA0}\u{1D159}\u{1D173}\
                         \u{E0001}\u{E0041}\u{E0100}\u{E0FFF}\u{10FFFF}";
        for c in invisible.chars() {
            assert!(is_blank(&c.to_string()), "{c:?}");
            assert!(!is_blank(&format!("{c}a{c}")), "{c:?}");
        }
        assert!(is_blank(invisible) && is_blank(""));
        // A combining mark, an Arabic number sign, private use (the logo on keyboards of Apple), a character
        // of a later version of Unicode, a skin tone, a letter.
        for text in [".", "\u{301}", "\u{6DD}", "\u{F8FF}", "\u{1FAFF}", "\u{1F3FD}", "ᄀ", "👩‍🚀", "❤\u{FE0F}"]
        {
            assert!(!is_blank(text), "{text:?}");
        }
        assert_eq!(visible("\n  two words\u{3000}"), Some("two words"));
        assert_eq!(visible("\u{A0}\u{200B}"), None);
    }

    #[test]
    fn cleaning_keeps_lines_and_drops_what_carries_nothing() {
        for (text, cleaned) in [
            ("one\r\ntwo\rthree\n\nfive", "one\ntwo\nthree\n\nfive"),
            ("one\u{B}two\u{C}three\u{85}four\u{2028}five\u{2029}six", "one\ntwo\nthree\nfour\nfive\nsix"),
            ("\u{0}\u{1}a\u{7}\u{8}b\u{1B}\u{7F}\u{80}\u{9F}c", "abc"),
            ("\ta \u{A0} b", "\ta \u{A0} b"),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
        let format = "❤\u{FE0F} 👩\u{200D}🚀 \u{2067}שלום\u{2069} می\u{200C}خواهم";
        assert_eq!(clean(format), format);
    }

    #[test]
    fn a_line_has_no_breaks_controls_or_overrides_and_keeps_joiners() {
        for text in
            ["a\nb", "a\tb", "a\u{0}b", "a\u{B}b", "a\u{85}b", "a\u{2028}b", "a\u{202E}b", "a\u{2066}b"]
        {
            assert!(line_violation(text).is_some(), "{text:?}");
        }
        for text in ["Ana B.", "👩\u{200D}🚀", "می\u{200C}خواهم", "山田\u{3000}太郎", "\u{200F}שלום"]
        {
            assert_eq!(line_violation(text), None, "{text:?}");
        }
        assert_eq!(tidy("\n \u{3000}Ana   B \t"), "Ana B");
        assert_eq!(clean_line("\u{202E}Ana\r\n\u{0}\tB\u{7}ob \n", 100).as_deref(), Some("Ana Bob"));
        assert_eq!(clean_line("Ana Maria", 4).as_deref(), Some("Ana"), "no space at the end");
        for blank in ["", " \n", "\u{202E}\u{0}", "\u{3164}", "\u{A0}\u{3000}"] {
            assert_eq!(clean_line(blank, 100), None, "{blank:?}");
        }
    }

    #[test]
    fn an_id_has_no_hidden_characters() {
        for id in ["phone-17", "a b", "9f0e0d0c-0b0a-4908-8706-050403020100", "{\"endpoint\": \"https://a\"}"]
        {
            assert_eq!(id_violation(id), None, "{id:?}");
        }
        for id in ["\0", "a\n", "a\u{7F}", "a\u{200B}", "\u{A0}", "\u{2028}", "\u{FEFF}"] {
            assert!(id_violation(id).is_some(), "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cleaned_text_is_clean(text in any::<String>(), max in 0..20usize) {
            let cleaned = clean(&text);
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
            prop_assert!(!cleaned.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(is_blank(&cleaned), is_blank(&text));
            if let Some(line) = clean_line(&text, max) {
                prop_assert_eq!(line_violation(&line), None);
                prop_assert_eq!(tidy(&line), line.clone());
                prop_assert!(!is_blank(&line) && line.chars().count() <= max);
            }
        }
    }
}
