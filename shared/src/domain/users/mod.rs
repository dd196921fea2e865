//! Users: profiles, usernames, settings, presence, devices, quotas and rate limits.

pub mod device;
pub mod folding;
pub mod presence;
pub mod profile;
pub mod quota;
pub mod rate_limit;
pub mod settings;
pub mod username;
