//! Reactions: the valid emoji, and the number of each at a message.

use crate::{
    clock::Timestamp,
    domain::{text::PRESENTATION, users::profile::ShownProfile},
};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The maximum number of reactions of one user to a message.
pub const MAX_REACTIONS_PER_USER: usize = 5;

/// The maximum number of different reactions to a message.
pub const MAX_REACTIONS_PER_MESSAGE: usize = 20;

/// An emoji of the Unicode list in its fully qualified form. Emoji that look the same are therefore the same
/// reaction, whatever code points a keyboard sends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Emoji(String);

/// The text is not a single emoji.
#[derive(Debug, thiserror::Error)]
#[error("must be one emoji")]
pub struct NotAnEmoji;

impl FromStr for Emoji {
    type Err = NotAnEmoji;

    fn from_str(text: &str) -> Result<Self, NotAnEmoji> {
        // Keyboards differ in where they append selectors. Without them, each emoji has one form.
        let plain = text.replace(PRESENTATION, "");
        emojis::get(&plain).map(|emoji| Self(emoji.as_str().to_owned())).ok_or(NotAnEmoji)
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of users who reacted to a message with an emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The emoji.
    pub emoji: Emoji,
    /// The number of users, at least 1.
    pub count: u64,
}

/// Adds one reaction. A new emoji is added to the end.
pub fn add(tallies: &mut Vec<Tally>, emoji: &Emoji) {
    match tallies.iter_mut().find(|tally| tally.emoji == *emoji) {
        Some(tally) => tally.count += 1,
        None => tallies.push(Tally { emoji: emoji.clone(), count: 1 }),
    }
}

/// Removes one reaction. An emoji without reactions is removed.
pub fn remove(tallies: &mut Vec<Tally>, emoji: &Emoji) {
    for tally in &mut *tallies {
        if tally.emoji == *emoji {
            tally.count = tally.count.saturating_sub(1);
        }
    }
    tallies.retain(|tally| tally.count > 0);
}

/// The reactions of one user to a message.
#[derive(Clone, Debug)]
pub struct UserReactions {
    /// The user, as the reader may see them.
    pub user: ShownProfile,
    /// The emoji, in the order of first use.
    pub emojis: Vec<Emoji>,
    /// When the reactions last changed.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_the_same_in_each_of_its_encodings() {
        let heart: Emoji = "\u{2764}".parse().unwrap();
        assert_eq!(heart, "\u{2764}\u{fe0f}".parse().unwrap());
        assert!("👍🏽".parse::<Emoji>().is_ok() && "🏳️‍🌈".parse::<Emoji>().is_ok());
        for text in ["", "a", "👍👍", "👍 ", ":)", "thumbsup", "\u{fe0f}"] {
            assert!(text.parse::<Emoji>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_emoji_is_found_wherever_a_keyboard_appends_selectors() {
        for emoji in emojis::iter() {
            let plain: Vec<char> = emoji.as_str().chars().filter(|c| !PRESENTATION.contains(c)).collect();
            let spell = |selector: &str| -> String {
                plain.iter().flat_map(|c| std::iter::once(*c).chain(selector.chars())).collect()
            };
            for text in [spell(""), spell("\u{fe0f}"), spell("\u{fe0e}"), format!("{emoji}\u{fe0f}")] {
                assert_eq!(text.parse::<Emoji>().unwrap().0, emoji.as_str(), "{text:?}");
            }
        }
        for (text, form) in [
            ("💪🏽\u{fe0f}", "💪🏽"),
            ("💪\u{fe0f}", "💪"),
            ("🔥\u{fe0f}", "🔥"),
            ("🎉\u{fe0f}", "🎉"),
            ("💯\u{fe0f}", "💯"),
            ("🙏\u{fe0f}", "🙏"),
            ("✌\u{fe0f}🏽", "✌🏽"),
            ("1\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("🏳\u{200d}🌈", "🏳\u{fe0f}\u{200d}🌈"),
        ] {
            assert_eq!(text.parse::<Emoji>().unwrap().0, form, "{text:?}");
        }
    }

    #[test]
    fn tallies_are_in_the_order_of_first_use() {
        let [thumb, fire]: [Emoji; 2] = ["👍", "🔥"].map(|text| text.parse().unwrap());
        let mut tallies = Vec::new();
        for emoji in [&thumb, &fire, &thumb] {
            add(&mut tallies, emoji);
        }
        remove(&mut tallies, &fire);
        remove(&mut tallies, &fire);
        assert_eq!(tallies, [Tally { emoji: thumb, count: 2 }]);
    }
}
