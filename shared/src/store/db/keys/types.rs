//! A primary key, and a range of keys.

use std::fmt;

/// The primary key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

/// The key for the log. A name, a search text and a hash of an address or a token are left out.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pk.split_once('#') {
            Some((kind @ ("NAME" | "EMAIL" | "PUSH" | "FIND"), _)) => write!(f, "{kind}#…"),
            _ => write!(f, "{} {}", self.pk, self.sk),
        }
    }
}

/// The items of one partition whose sort keys are between two, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The partition key.
    pub pk: String,
    /// The first sort key.
    pub first: String,
    /// The last sort key.
    pub last: String,
}
