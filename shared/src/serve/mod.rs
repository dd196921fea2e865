//! The entry of every binary: cold start, extraction, the endpoint itself, and the answer or error that comes out.
//!
//! An endpoint is an async function whose parameters say what it needs. They are extracted in their order, so
//! identity stands before anything that reads the call's content.

pub mod authorizer;
pub mod fields;
pub mod http;
pub mod socket;

use std::future::Future;

use futures::FutureExt;

use crate::{App, Result};

/// Why a binary could not start.
pub type Fatal = lambda_http::Error;

/// What an endpoint may ask for as a parameter, of a call of kind `C`.
pub trait FromCall<C>: Sized {
    /// Takes it out of the call, or says why it cannot.
    fn from_call(app: &App, call: &C) -> impl Future<Output = Result<Self>> + Send;
}

impl<C: Sync> FromCall<C> for App {
    async fn from_call(app: &App, _: &C) -> Result<Self> {
        Ok(app.clone())
    }
}

/// An async function of extractable parameters `A`, for calls of kind `C`.
pub trait Endpoint<C, A>: Clone + Send + Sync + 'static {
    /// What it answers.
    type Reply;

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
                // Boxed, so that no layer above has to be compiled against the depth of what lies below.
                self($($parameter),*).boxed().await
            }
        }
    };
}

endpoint!(P1);
endpoint!(P1, P2);
endpoint!(P1, P2, P3);
endpoint!(P1, P2, P3, P4);

/// Reports a failed call, once, with its source. Faults of ours are errors; all else is the caller's business.
fn report(error: &crate::Error) {
    match error {
        crate::Error::Internal(cause) => tracing::error!(%cause, "call failed"),
        crate::Error::Busy(cause) => tracing::warn!(%cause, "call gave way"),
        refused => tracing::info!(reason = %refused, "call refused"),
    }
}
