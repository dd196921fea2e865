//! Recent versions of items, which an eventually consistent read may still return.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

/// The longest that an old image can be read, in milliseconds.
const MAX_AGE: u64 = 2000;

/// An item at an earlier time.
pub enum OldImage {
    /// The item has not changed since.
    Unchanged,
    /// The item did not exist.
    Absent,
    /// The item had these attributes.
    Item(Value),
}

/// Before-images of recent writes, by key. Each has the time of the write that replaced it, in milliseconds.
#[derive(Default)]
pub struct OldImages(BTreeMap<String, VecDeque<(u64, Option<Value>)>>);

impl OldImages {
    /// Records the image that a write replaces at `now`; `None` if the item did not exist.
    pub fn record(&mut self, key: &Value, before: Option<Value>, now: u64) {
        let images = self.0.entry(key.to_string()).or_default();
        images.push_back((now, before));
        while images.front().is_some_and(|(replaced_at, _)| replaced_at + MAX_AGE < now) {
            images.pop_front();
        }
    }

    /// The item at a time, in milliseconds.
    pub fn image_at(&self, key: &Value, at: u64) -> OldImage {
        let images = self.0.get(&key.to_string()).into_iter().flatten();
        match images.into_iter().find(|(replaced_at, _)| *replaced_at > at) {
            None => OldImage::Unchanged,
            Some((_, None)) => OldImage::Absent,
            Some((_, Some(item))) => OldImage::Item(item.clone()),
        }
    }
}
