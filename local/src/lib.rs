//! The local stack: emulates API Gateway, Lambda, EventBridge and `DynamoDB` for `template.yaml`.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let stack = local::Stack::start(local::Options::default()).await?;
//! let ana = stack.token("ana").await?;
//! println!("{} {}", stack.http_url(), ana.access_token);
//! stack.stop().await;
//! # Ok(())
//! # }
//! ```

mod clock;
mod gateway;
mod guard;
mod lambda;
mod log;
mod options;
mod schedules;
mod stack;
mod storage;
mod template;
mod token;

pub use clock::{Clock, ClockTime, epoch_millis};
pub use gateway::TIME_HEADER;
pub use guard::network_addresses;
pub use log::LogLines;
pub use options::{Options, Person, binaries_beside_this_program, log_filter, no_colour, project_root};
pub use stack::Stack;
pub use token::DevToken;
