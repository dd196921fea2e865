//! The entry point of every binary: cold start, extraction of parameters, the endpoint, and its response.
//!
//! An endpoint is an async function whose parameters declare what it needs. They are extracted in order, so
//! the identity comes before parameters that read the content of the call.

pub mod authorizer;
mod compression;
pub mod events;
mod handshake;
pub mod http;
mod log;
pub mod schedule;
pub mod socket;

use std::future::Future;

use futures::FutureExt;
use tokio::time::Instant;

use crate::{
    App, Result,
    store::db::capacity::{Capacity, with_capacity},
};

/// The error of a binary that cannot start.
pub type Fatal = lambda_http::Error;

/// A parameter of an endpoint, extracted from a call of type `C`.
pub trait FromCall<C>: Sized {
    /// Extracts the parameter.
    fn from_call(app: &App, call: &C) -> impl Future<Output = Result<Self>> + Send;
}

impl<C: Sync> FromCall<C> for App {
    async fn from_call(app: &App, _: &C) -> Result<Self> {
        Ok(app.clone())
    }
}

/// An async function of extractable parameters `A`, for calls of type `C`.
pub trait Endpoint<C, A>: Clone + Send + Sync + 'static {
    /// The successful result.
    type Reply: Send;

    /// Extracts the parameters in order and runs the function.
    fn run(&self, app: &App, call: &C) -> impl Future<Output = Result<Self::Reply>> + Send;
}

macro_rules! endpoint {
    ($($parameter:ident),*) => {
        impl<C, F, Running, Reply, $($parameter),*> Endpoint<C, ($($parameter,)*)> for F
        where
            C: Sync,
            F: Fn($($parameter),*) -> Running + Clone + Send + Sync + 'static,
            Running: Future<Output = Result<Reply>> + Send,
            Reply: Send,
            $($parameter: FromCall<C> + Send),*
        {
            type Reply = Reply;

            #[expect(non_snake_case, reason = "each parameter is named as its type")]
            async fn run(&self, app: &App, call: &C) -> Result<Reply> {
                $(let $parameter = $parameter::from_call(app, call).await?;)*
                // Boxed to erase the deeply nested type of the future, which is slow to compile.
                self($($parameter),*).boxed().await
            }
        }
    };
}

endpoint!(P1);
endpoint!(P1, P2);
endpoint!(P1, P2, P3);
endpoint!(P1, P2, P3, P4);

/// The duration and the consumed capacity of a call.
struct Measured {
    duration_ms: u64,
    capacity: Capacity,
}

/// Runs and measures a call.
async fn measured<T>(call: impl Future<Output = T>) -> (T, Measured) {
    let start = Instant::now();
    let (outcome, capacity) = with_capacity(call).await;
    let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    (outcome, Measured { duration_ms, capacity })
}

/// Logs a call in one line, with the cause of an error. Server errors have the level `error`, overload
/// `warn`, and errors of the caller `info`.
macro_rules! log_answered {
    ($error:expr, $measured:expr, $($field:tt)*) => {{
        let crate::serve::Measured { duration_ms, capacity } = $measured;
        let (read_units, write_units) = (capacity.read, capacity.write);
        macro_rules! line {
            ($level:ident, $reason:expr) => {
                tracing::$level!($($field)*, duration_ms, read_units, write_units, error = $reason, "answered")
            };
        }
        match $error {
            Some(crate::Error::Internal(cause)) => line!(error, Some(tracing::field::display(cause))),
            Some(error @ crate::Error::Unreadable(_)) => line!(error, Some(tracing::field::display(error))),
            Some(crate::Error::Busy(cause)) => line!(warn, Some(tracing::field::display(cause))),
            Some(error) => line!(info, Some(tracing::field::display(error))),
            None => line!(info, None::<&str>),
        }
    }};
}
use log_answered;
