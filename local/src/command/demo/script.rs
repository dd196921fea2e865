//! Who the demo people are, who knows whom, and what they have said in the last few days.

use std::time::Duration;

/// One of the demo people.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub username: &'static str,
    pub name: &'static str,
}

pub const PEOPLE: [Person; 5] = [
    Person { username: "ana", name: "Ana Moreira" },
    Person { username: "ben", name: "Ben Adeyemi" },
    Person { username: "chloe", name: "Chloé Laurent" },
    Person { username: "dev", name: "Dev Malhotra" },
    Person { username: "elif", name: "Elif Yıldız" },
];

/// A drawn face, always the same for a name. The functions keep only `https` pictures, so it is one on the web; where
/// that cannot be reached, a client shows what it shows for people without a picture.
pub fn face(username: &str) -> String {
    format!("https://api.dicebear.com/9.x/thumbs/svg?seed={username}")
}

/// Friends: who asked, and who accepted.
pub const FRIENDS: [(&str, &str); 5] =
    [("ana", "ben"), ("chloe", "ana"), ("ben", "chloe"), ("ben", "dev"), ("chloe", "elif")];

/// Requests that nobody has answered yet: one for Ana to answer, and one that she waits for.
pub const WAITING: [(&str, &str); 2] = [("dev", "ana"), ("ana", "elif")];

/// How long the friends have been friends.
pub const FRIENDS_SINCE: Duration = Duration::from_hours(6 * 24);

/// How long the requests have waited.
pub const WAITING_SINCE: Duration = Duration::from_hours(20);

/// A room and what happened in it.
#[derive(Debug)]
pub struct Chat {
    /// Who is in it; the first makes it.
    pub people: &'static [&'static str],
    /// Its name, if it is a group.
    pub group: Option<&'static str>,
    /// How long ago it began.
    pub began_ago: Duration,
    pub lines: &'static [Line],
}

#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// Somebody says something.
    Says(&'static str, &'static str),
    /// Somebody has read everything up to here.
    Reads(&'static str),
    /// So many hours pass.
    Later(u64),
}

impl Line {
    /// How long it takes, in milliseconds.
    pub fn takes(self) -> i64 {
        let time = match self {
            Says(..) => Duration::from_mins(2),
            Reads(_) => Duration::from_mins(1),
            Later(hours) => Duration::from_hours(hours),
        };
        i64::try_from(time.as_millis()).unwrap_or_default()
    }
}

use Line::{Later, Reads, Says};

/// Ana finds two unread messages from Ben and one in the group.
pub const CHATS: [Chat; 4] = [
    Chat {
        people: &["ana", "chloe"],
        group: None,
        began_ago: Duration::from_hours(5 * 24),
        lines: &[
            Says("chloe", "Which shoes did you end up buying?"),
            Says("ana", "The grey ones, half a size up as you said"),
            Later(30),
            Says("ana", "No blisters so far 🤞"),
            Says("chloe", "Told you! Give them 50 km before you judge them"),
            Reads("ana"),
        ],
    },
    Chat {
        people: &["ben", "dev"],
        group: None,
        began_ago: Duration::from_hours(50),
        lines: &[
            Says("dev", "Is the gym open on the holiday?"),
            Says("ben", "Until two"),
            Says("dev", "Then ten o'clock, leg day?"),
            Says("ben", "I was hoping you had forgotten. Yes"),
            Reads("dev"),
        ],
    },
    Chat {
        people: &["chloe", "ana", "ben"],
        group: Some("Sunday long run"),
        began_ago: Duration::from_hours(44),
        lines: &[
            Says("chloe", "Weather looks fine for Sunday. Eight o'clock at the bridge?"),
            Says("ben", "Eight?! On a Sunday?"),
            Says("ana", "Eight is good, it gets hot after ten"),
            Says("ben", "Fine, but somebody brings coffee"),
            Says("chloe", "I bring coffee, you bring the pace"),
            Says("ana", "18 km along the river and back? My plan says easy, 6:00/km"),
            Says("chloe", "Works for me. There is a fountain at kilometre 9, no need to carry much"),
            Later(38),
            Says("ben", "Great run everyone! 18.2 km, 1:51, and I only complained twice"),
            Says("ana", "Three times. I counted"),
            Reads("ben"),
            Later(3),
            Says("chloe", "Same time next week?"),
        ],
    },
    Chat {
        people: &["ana", "ben"],
        group: None,
        began_ago: Duration::from_hours(96),
        lines: &[
            Says("ana", "Hi Ben! Chloé says you are training for the half marathon too?"),
            Says("ben", "Hi Ana! I am. Week 3 of 12, and my legs know it 😅"),
            Says("ana", "Same week here. Which plan?"),
            Says(
                "ben",
                "Four runs: intervals on Tuesday, tempo on Thursday, easy on Saturday, long on Sunday",
            ),
            Says("ana", "Mine is almost the same, with strength on Monday instead of the easy run"),
            Says("ben", "Strength would do me good. What do you do?"),
            Says("ana", "Squats, lunges, calf raises, planks. Three rounds, 40 minutes"),
            Reads("ben"),
            Later(28),
            Says("ben", "Intervals done: 6 × 800 m in 3:40, and the last one in 3:31!"),
            Says("ana", "Wow! I stayed at 3:50. My watch says my heart did not like it"),
            Says("ben", "Mine neither. What was yours?"),
            Says("ana", "182 at the end. Normal is 170"),
            Says("ben", "Then sleep well and take tomorrow off. It runs away from nobody"),
            Says("ana", "Very funny. But yes"),
            Reads("ben"),
            Later(46),
            Says("ana", "Rested, and the tempo run felt easy: 8 km at 5:05 💪"),
            Says("ben", "See! I had to stop for a dog that wanted to race me. I lost"),
            Says("ana", "Will you come on Sunday? Chloé makes a group"),
            Reads("ana"),
            Later(18),
            Says("ben", "Sure. My knee says slow, my head says no, so slow it is"),
            Says("ben", "Shall we share a ride to the bridge?"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everyone_in_the_script_exists_and_takes_part_in_what_they_say() {
        let names: HashSet<&str> = PEOPLE.iter().map(|person| person.username).collect();
        assert_eq!(names.len(), PEOPLE.len());
        for (one, other) in FRIENDS.iter().chain(&WAITING) {
            assert!(names.contains(one) && names.contains(other) && one != other);
        }
        for chat in &CHATS {
            assert!(chat.people.iter().all(|person| names.contains(person)));
            assert_eq!(chat.group.is_some(), chat.people.len() > 2);
            for line in chat.lines {
                if let Says(who, _) | Reads(who) = line {
                    assert!(chat.people.contains(who), "{who}");
                }
            }
            let took: i64 = chat.lines.iter().map(|line| line.takes()).sum();
            assert!(u128::try_from(took).unwrap() < chat.began_ago.as_millis(), "nothing lies in the future");
            assert!(chat.began_ago < FRIENDS_SINCE);
        }
    }

    #[test]
    fn faces_are_as_the_functions_take_them() {
        let faces: HashSet<String> = PEOPLE.iter().map(|person| face(person.username)).collect();
        assert_eq!(faces.len(), PEOPLE.len(), "everyone has their own");
        assert!(faces.iter().all(|face| face.starts_with("https://") && face.len() <= 512));
    }
}
