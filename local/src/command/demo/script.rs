//! The demo users, their friendships and requests, and their conversations of the last few days.

use std::time::Duration;

/// A demo user.
#[derive(Clone, Copy, Debug)]
pub struct DemoUser {
    pub username: &'static str,
    pub name: &'static str,
}

pub const USERS: [DemoUser; 5] = [
    DemoUser { username: "ana", name: "Ana Moreira" },
    DemoUser { username: "ben", name: "Ben Adeyemi" },
    DemoUser { username: "chloe", name: "Chloé Laurent" },
    DemoUser { username: "dev", name: "Dev Malhotra" },
    DemoUser { username: "elif", name: "Elif Yıldız" },
];

/// The URL of a generated avatar, constant for a username. It is on a public service, because the functions
/// accept only `https` pictures; offline clients show their placeholder.
pub fn picture_url(username: &str) -> String {
    format!("https://api.dicebear.com/9.x/thumbs/svg?seed={username}")
}

/// Friendships: the sender and the receiver of the accepted request.
pub const FRIENDS: [(&str, &str); 5] =
    [("ana", "ben"), ("chloe", "ana"), ("ben", "chloe"), ("ben", "dev"), ("chloe", "elif")];

/// Pending requests as sender and receiver: one that Ana received and one that she sent.
pub const PENDING_REQUESTS: [(&str, &str); 2] = [("dev", "ana"), ("ana", "elif")];

/// The time since all friendships began.
pub const FRIENDSHIP_AGE: Duration = Duration::from_hours(6 * 24);

/// The time since the pending requests were sent.
pub const REQUEST_AGE: Duration = Duration::from_hours(20);

/// A room and its conversation.
#[derive(Debug)]
pub struct Chat {
    /// The usernames of the members; the first one creates the room.
    pub members: &'static [&'static str],
    /// The name of a group; `None` for a direct room.
    pub group_name: Option<&'static str>,
    /// The time since the room was created.
    pub age: Duration,
    pub events: &'static [ChatEvent],
}

#[derive(Clone, Copy, Debug)]
pub enum ChatEvent {
    /// A user sends a message: the username and the content.
    Message(&'static str, &'static str),
    /// A user reads all messages so far.
    Read(&'static str),
    /// A pause, in hours.
    Pause(u64),
}

impl ChatEvent {
    /// The time that the event takes, in milliseconds.
    pub fn duration_ms(self) -> i64 {
        let time = match self {
            Message(..) => Duration::from_mins(2),
            Read(_) => Duration::from_mins(1),
            Pause(hours) => Duration::from_hours(hours),
        };
        i64::try_from(time.as_millis()).unwrap_or_default()
    }
}

use ChatEvent::{Message, Pause, Read};

/// Ana has two unread messages from Ben and one in the group.
pub const CHATS: [Chat; 4] = [
    Chat {
        members: &["ana", "chloe"],
        group_name: None,
        age: Duration::from_hours(5 * 24),
        events: &[
            Message("chloe", "Which shoes did you end up buying?"),
            Message("ana", "The grey ones, half a size up as you said"),
            Pause(30),
            Message("ana", "No blisters so far 🤞"),
            Message("chloe", "Told you! Give them 50 km before you judge them"),
            Read("ana"),
        ],
    },
    Chat {
        members: &["ben", "dev"],
        group_name: None,
        age: Duration::from_hours(50),
        events: &[
            Message("dev", "Is the gym open on the holiday?"),
            Message("ben", "Until two"),
            Message("dev", "Then ten o'clock, leg day?"),
            Message("ben", "I was hoping you had forgotten. Yes"),
            Read("dev"),
        ],
    },
    Chat {
        members: &["chloe", "ana", "ben"],
        group_name: Some("Sunday long run"),
        age: Duration::from_hours(44),
        events: &[
            Message("chloe", "Weather looks fine for Sunday. Eight o'clock at the bridge?"),
            Message("ben", "Eight?! On a Sunday?"),
            Message("ana", "Eight is good, it gets hot after ten"),
            Message("ben", "Fine, but someone brings coffee"),
            Message("chloe", "I bring coffee, you set the tempo"),
            Message("ana", "18 km along the river and back? My plan says easy, 6:00/km"),
            Message("chloe", "Works for me. There is a fountain at kilometre 9, no need to carry much"),
            Pause(38),
            Message("ben", "Great run everyone! 18.2 km, 1:51, and I only complained twice"),
            Message("ana", "Three times. I counted"),
            Read("ben"),
            Pause(3),
            Message("chloe", "Same time next week?"),
        ],
    },
    Chat {
        members: &["ana", "ben"],
        group_name: None,
        age: Duration::from_hours(96),
        events: &[
            Message("ana", "Hi Ben! Chloé says you are training for the half marathon too?"),
            Message("ben", "Hi Ana! I am. Week 3 of 12, and my legs know it 😅"),
            Message("ana", "Same week here. Which plan?"),
            Message(
                "ben",
                "Four runs: intervals on Tuesday, tempo on Thursday, easy on Saturday, long on Sunday",
            ),
            Message("ana", "Mine is almost the same, with strength on Monday instead of the easy run"),
            Message("ben", "Strength would do me good. What do you do?"),
            Message("ana", "Squats, lunges, calf raises, planks. Three rounds, 40 minutes"),
            Read("ben"),
            Pause(28),
            Message("ben", "Intervals done: 6 × 800 m in 3:40, and the last one in 3:31!"),
            Message("ana", "Wow! I stayed at 3:50. My watch says my heart did not like it"),
            Message("ben", "Mine neither. What was yours?"),
            Message("ana", "182 at the end. Normal is 170"),
            Message("ben", "Then sleep well and take tomorrow off. It runs away from nobody"),
            Message("ana", "Very funny. But yes"),
            Read("ben"),
            Pause(46),
            Message("ana", "Rested, and the tempo run felt easy: 8 km at 5:05 💪"),
            Message("ben", "See! I had to stop for a dog that wanted to race me. I lost"),
            Message("ana", "Will you come on Sunday? Chloé makes a group"),
            Read("ana"),
            Pause(18),
            Message("ben", "Sure. My knee says slow, my head says no, so slow it is"),
            Message("ben", "Shall we share a ride to the bridge?"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_script_is_consistent_and_entirely_in_the_past() {
        let names: HashSet<&str> = USERS.iter().map(|user| user.username).collect();
        assert_eq!(names.len(), USERS.len());
        for (sender, receiver) in FRIENDS.iter().chain(&PENDING_REQUESTS) {
            assert!(names.contains(sender) && names.contains(receiver) && sender != receiver);
        }
        for chat in &CHATS {
            assert!(chat.members.iter().all(|member| names.contains(member)));
            assert_eq!(chat.group_name.is_some(), chat.members.len() > 2);
            for event in chat.events {
                if let Message(user, _) | Read(user) = event {
                    assert!(chat.members.contains(user), "{user}");
                }
            }
            let duration: i64 = chat.events.iter().map(|event| event.duration_ms()).sum();
            assert!(u128::try_from(duration).unwrap() < chat.age.as_millis(), "no event is in the future");
            assert!(chat.age < FRIENDSHIP_AGE);
        }
    }

    #[test]
    fn picture_urls_are_unique_and_accepted_by_the_functions() {
        let urls: HashSet<String> = USERS.iter().map(|user| picture_url(user.username)).collect();
        assert_eq!(urls.len(), USERS.len());
        assert!(urls.iter().all(|url| url.starts_with("https://") && url.len() <= 512));
    }
}
