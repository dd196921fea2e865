//! What only a running stack knows of a function's variables: its own addresses and its development secret.

use anyhow::{Result, bail};

use super::intrinsics::UNSET;
use super::{REGION, Template};

/// The running stack, as variables see it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The HTTP API's address, without a slash at the end.
    pub http: String,
    /// The WebSocket API's address without stage, as `http://…`: also where connections are managed.
    pub management: String,
    /// What every reference to a secret comes out as.
    pub secret: String,
}

impl Template {
    /// A variable's value with this stack's addresses in place of the deployed APIs' host names, and the development
    /// secret in place of references to AWS Secrets Manager.
    ///
    /// # Errors
    /// If the value refers to something else than Secrets Manager.
    pub fn settle(&self, value: &str, surroundings: &Surroundings) -> Result<String> {
        let mut settled = value.to_owned();
        if let Some(socket) = &self.socket {
            let host = host(&socket.id);
            let socket_url = surroundings.management.replacen("http://", "ws://", 1);
            settled = settled.replace(&format!("https://{host}"), &surroundings.management);
            settled = settled.replace(&format!("wss://{host}"), &socket_url);
        }
        settled = settled.replace(&format!("https://{}", host(&self.http.id)), &surroundings.http);
        while let Some(start) = settled.find("{{resolve:") {
            let Some(length) = settled[start..].find("}}") else { bail!("`{{{{resolve:` without `}}}}`") };
            if !settled[start..].starts_with("{{resolve:secretsmanager:") {
                bail!("the local stack resolves secretsmanager references only");
            }
            settled.replace_range(start..start + length + 2, &surroundings.secret);
        }
        if let Some((_, name)) = settled.split_once(UNSET) {
            let name = name.split('>').next().unwrap_or_default();
            bail!("the parameter {name} has no default, and the local stack has no other value for it");
        }
        Ok(settled)
    }
}

fn host(api: &str) -> String {
    format!("{api}.execute-api.{REGION}.amazonaws.com")
}
