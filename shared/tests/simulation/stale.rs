//! What items were before they were written: a read that is not consistent may still see that.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

/// How long an old image may be seen, in milliseconds.
const LIFE: u64 = 2000;

/// What an item was at some moment.
pub enum Image {
    /// What it is now.
    Same,
    /// It did not exist.
    Absent,
    /// Something else.
    Was(Value),
}

/// Before-images of recent writes.
#[derive(Default)]
pub struct Images(BTreeMap<String, VecDeque<(u64, Option<Value>)>>);

impl Images {
    /// Keeps what an item was until now.
    pub fn note(&mut self, key: &Value, before: Option<Value>, now: u64) {
        let images = self.0.entry(key.to_string()).or_default();
        images.push_back((now, before));
        while images.front().is_some_and(|(at, _)| at + LIFE < now) {
            images.pop_front();
        }
    }

    /// What an item was at a moment.
    pub fn before(&self, key: &Value, moment: u64) -> Image {
        let images = self.0.get(&key.to_string()).into_iter().flatten();
        match images.into_iter().find(|(at, _)| *at > moment) {
            None => Image::Same,
            Some((_, None)) => Image::Absent,
            Some((_, Some(item))) => Image::Was(item.clone()),
        }
    }
}
