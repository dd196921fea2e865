//! Reactions: which emoji there are, and how many of them may stand at a message.

use crate::{clock::Timestamp, domain::users::profile::Profile};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// So many kinds of emoji may one person put to a message.
pub const MAX_KINDS_OF_A_PERSON: usize = 5;

/// So many kinds of emoji may stand at a message.
pub const MAX_KINDS_AT_A_MESSAGE: usize = 20;

/// One emoji of the Unicode list, in its fully qualified form, so that one picture is one reaction however a keyboard
/// spells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Emoji(String);

/// The text is not one emoji.
#[derive(Debug, thiserror::Error)]
#[error("must be one emoji")]
pub struct NotAnEmoji;

impl FromStr for Emoji {
    type Err = NotAnEmoji;

    fn from_str(text: &str) -> Result<Self, NotAnEmoji> {
        emojis::get(text).map(|emoji| Self(emoji.as_str().to_owned())).ok_or(NotAnEmoji)
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many people put an emoji to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Which emoji.
    pub emoji: Emoji,
    /// How many people, at least one.
    pub count: u64,
}

/// Counts one more; a new kind comes last.
pub fn add(tallies: &mut Vec<Tally>, emoji: &Emoji) {
    match tallies.iter_mut().find(|tally| tally.emoji == *emoji) {
        Some(tally) => tally.count += 1,
        None => tallies.push(Tally { emoji: emoji.clone(), count: 1 }),
    }
}

/// Counts one less; a kind that nobody is left of is gone.
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
    /// The user.
    pub profile: Profile,
    /// The emoji, in the order of first use.
    pub emojis: Vec<Emoji>,
    /// When they last changed.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_is_one_emoji_however_it_is_spelt() {
        let heart: Emoji = "\u{2764}".parse().unwrap();
        assert_eq!(heart, "\u{2764}\u{fe0f}".parse().unwrap());
        assert!("👍🏽".parse::<Emoji>().is_ok() && "🏳️‍🌈".parse::<Emoji>().is_ok());
        for text in ["", "a", "👍👍", "👍 ", ":)", "thumbsup", "\u{fe0f}"] {
            assert!(text.parse::<Emoji>().is_err(), "{text}");
        }
    }

    #[test]
    fn tallies_stand_in_the_order_of_first_use() {
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
