//! Environment variables with values that are known only at run time: addresses and the development secret.

use anyhow::{Result, bail};

use super::intrinsics::NO_DEFAULT;
use super::{REGION, Template};

/// The values of a running stack.
#[derive(Clone, Debug)]
pub struct RuntimeValues {
    /// The URL of the HTTP API, without a trailing slash.
    pub http: String,
    /// The `http://` URL of the WebSocket API and its connection management, without the stage.
    pub management: String,
    /// The value of every secret reference.
    pub secret: String,
}

impl Template {
    /// Replaces the host names of deployed APIs by the addresses of this stack, and references to AWS Secrets
    /// Manager by the development secret.
    ///
    /// # Errors
    /// If the value has another dynamic reference, or depends on a parameter without default.
    pub fn resolve(&self, value: &str, values: &RuntimeValues) -> Result<String> {
        let mut resolved = value.to_owned();
        if let Some(socket) = &self.socket {
            let host = host(&socket.id);
            let socket_url = values.management.replacen("http://", "ws://", 1);
            resolved = resolved.replace(&format!("https://{host}"), &values.management);
            resolved = resolved.replace(&format!("wss://{host}"), &socket_url);
        }
        resolved = resolved.replace(&format!("https://{}", host(&self.http.id)), &values.http);
        while let Some(start) = resolved.find("{{resolve:") {
            let Some(length) = resolved[start..].find("}}") else { bail!("`{{{{resolve:` without `}}}}`") };
            if !resolved[start..].starts_with("{{resolve:secretsmanager:") {
                bail!("the local stack resolves only secretsmanager references");
            }
            resolved.replace_range(start..start + length + 2, &values.secret);
        }
        if let Some((_, name)) = resolved.split_once(NO_DEFAULT) {
            let name = name.split('>').next().unwrap_or_default();
            bail!("the parameter {name} has no default, which the local stack requires");
        }
        Ok(resolved)
    }
}

fn host(api: &str) -> String {
    format!("{api}.execute-api.{REGION}.amazonaws.com")
}
