//! A running stack: how its parts are assembled, started and stopped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::gateway::{HttpGateway, SocketGateway, WebClient};
use crate::guard;
use crate::lambda::{Functions, HostConfig};
use crate::options::{Options, search_path};
use crate::schedules;
use crate::storage::{DataFolder, Engine};
use crate::template::{FunctionSpec, REGION, RuntimeValues, Template, suggestion};
use crate::token::{DEVELOPMENT_SECRET, DevToken, Issuer, TokenOptions};

/// How long [`Stack::stop`] waits for running invocations, and again for connections to close.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long [`Stack::settle`] waits for `$disconnect`, and again for all invocations: longer than a function runs.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A running stack. Dropping it kills the functions immediately; [`Stack::stop`] shuts it down gracefully.
#[derive(Debug)]
pub struct Stack {
    http_url: String,
    ws_url: String,
    table: String,
    secret: String,
    template: Arc<Template>,
    functions: Arc<Functions>,
    http: Arc<HttpGateway>,
    sockets: Option<Arc<SocketGateway>>,
    http_server: Server,
    socket_server: Option<Server>,
    engine: Engine,
    _folder: DataFolder,
    /// Stops the functions when the stack is dropped, although tasks still share them.
    _stop_functions: DropGuard,
}

impl Stack {
    /// Starts all parts and returns once the stack accepts requests.
    ///
    /// # Errors
    /// If the template cannot be used, a binary is missing, an address is in use, or the data folder is in
    /// use or contains a table with a different schema.
    pub async fn start(options: Options) -> Result<Self> {
        let mut template = Template::read(&options.template, &options.parameters)?;
        check_binaries(&template, &options)?;
        let folder = DataFolder::open(options.data.as_deref()).await?;
        let secret = if options.is_loopback_only() {
            DEVELOPMENT_SECRET.to_owned()
        } else {
            tracing::warn!("every host that can reach this machine can call the stack and read its table");
            folder.secret()?
        };

        let http_listener = listen(options.http, "the HTTP API (--http)").await?;
        let socket_listener = listen(options.ws, "the WebSocket API (--ws)").await?;
        let socket_address = guard::reachable(socket_listener.local_addr()?);
        let http_url = format!("http://{}", guard::reachable(http_listener.local_addr()?));
        let engine = Engine::start(&folder, options.dynamodb, &template.tables)?;

        let values = RuntimeValues {
            http: http_url.clone(),
            management: format!("http://{socket_address}"),
            secret: secret.clone(),
        };
        let environments = environments(&template, &values, engine.url(), &options.env)?;
        check_configuration(&environments, &options.env)?;
        let issuer = issuer(&environments, &secret);
        let table = table_name(&template, &environments);
        folder.write_env(&standalone_variables(&environments))?;
        let host = HostConfig { clock: options.clock.clone(), binaries: options.binaries };
        let functions = Arc::new(Functions::new(&host, environments));
        let stop_functions = functions.stop_on_drop();

        let api = std::mem::take(&mut template.http);
        let stage = template.socket.as_ref().map_or("", |api| &api.stage);
        let web = WebClient::new(format!(":{}/{stage}", socket_address.port()), options.people);
        let clock = options.clock.clone();
        let http = Arc::new(HttpGateway::new(api, Arc::clone(&functions), issuer, web, clock));
        let http_server = Server::start(http_listener, Arc::clone(&http).router(), &http.origins());
        let mut ws_url = format!("ws://{socket_address}");
        let (mut sockets, mut socket_server) = (None, None);
        if let Some(api) = template.socket.take() {
            ws_url = format!("{ws_url}/{}", api.stage);
            let domain = socket_address.to_string();
            let clock = options.clock.clone();
            let gateway = Arc::new(SocketGateway::new(api, domain, Arc::clone(&functions), clock));
            socket_server = Some(Server::start(socket_listener, Arc::clone(&gateway).router(), &[]));
            sockets = Some(gateway);
        }
        schedules::run(std::mem::take(&mut template.schedules), &functions, &options.clock);
        Ok(Self {
            http_url,
            ws_url,
            table,
            secret,
            template: Arc::new(template),
            functions,
            http,
            sockets,
            http_server,
            socket_server,
            engine,
            _folder: folder,
            _stop_functions: stop_functions,
        })
    }

    /// The URL of the HTTP API, without a trailing slash.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// The URL of the WebSocket API, including the stage.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// The URL of the embedded `DynamoDB`.
    pub fn dynamodb_url(&self) -> &str {
        self.engine.url()
    }

    /// The name of the table that the functions use.
    pub fn table_name(&self) -> &str {
        &self.table
    }

    /// The signing secret of development tokens, for tests that sign their own.
    pub fn jwt_secret(&self) -> &str {
        &self.secret
    }

    /// The parts of the template that the stack ignores, one sentence each.
    pub fn notices(&self) -> &[String] {
        &self.template.notices
    }

    /// Issues a token for a user and creates the user's profile if it is new, as `POST /local/token` does.
    ///
    /// # Errors
    /// If the username is invalid, or the profile cannot be created.
    pub async fn token(&self, username: &str) -> Result<DevToken> {
        self.http.token(username, &TokenOptions::default()).await
    }

    /// Invokes a function with an event, bypassing the gateways, and returns its response.
    ///
    /// # Errors
    /// If the function does not exist, does not start, fails, exits or times out.
    pub async fn invoke(&self, binary: &str, event: impl Into<Bytes>) -> Result<Bytes> {
        let function = self.template.functions.values().find(|function| function.binary == binary);
        let function = function.with_context(|| format!("the template has no function {binary}"))?;
        let response = self.functions.invoke(&function.id, event.into()).await;
        response.map_err(|error| anyhow!("{binary}: {error}"))
    }

    /// The ids of the running processes of a binary.
    pub fn function_pids(&self, binary: &str) -> Vec<u32> {
        self.functions.pids(binary)
    }

    /// Waits until `$disconnect` has returned for all connections that clients have closed, and no invocation
    /// is running; for each at most as long as a function may run.
    pub async fn settle(&self) {
        let closed = async {
            if let Some(sockets) = &self.sockets {
                sockets.wait_closed().await;
            }
        };
        tokio::time::timeout(SETTLE_TIMEOUT, closed).await.ok();
        self.functions.wait_idle(SETTLE_TIMEOUT).await;
    }

    /// Stops gracefully: rejects new requests, waits for invocations, closes connections with 1001, stops the
    /// functions and closes the database.
    pub async fn stop(self) {
        if let Some(sockets) = &self.sockets {
            sockets.drain();
        }
        self.http_server.stop().await;
        self.functions.wait_idle(STOP_TIMEOUT).await;
        if let Some(sockets) = &self.sockets
            && tokio::time::timeout(STOP_TIMEOUT, sockets.close()).await.is_err()
        {
            tracing::warn!("some connections did not close in time and are dropped");
        }
        // Stopped after the HTTP server, because running functions still post to connections.
        if let Some(server) = self.socket_server {
            server.stop().await;
        }
        self.functions.stop().await;
        self.engine.stop().await;
    }
}

/// A listening HTTP server.
#[derive(Debug)]
struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    fn start(listener: TcpListener, router: Router, origins: &[String]) -> Self {
        let stop = CancellationToken::new();
        let serving = axum::serve(guard::Port(listener), guard::service(router, origins));
        let serving = serving.with_graceful_shutdown(stop.clone().cancelled_owned());
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("a listener failed: {error}");
            }
        });
        Self { stop, task }
    }

    /// Stops accepting requests and waits for running ones, up to [`STOP_TIMEOUT`].
    async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(STOP_TIMEOUT, &mut self.task).await.ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

async fn listen(address: SocketAddr, service: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on the address {address} for {service}"))
}

fn check_binaries(template: &Template, options: &Options) -> Result<()> {
    for function in template.functions.values() {
        let program = options.binaries.join(&function.binary);
        if !program.is_file() {
            bail!(
                "the binary {} of {} is missing; build it with `cargo build --workspace --bins`",
                program.display(),
                function.id
            );
        }
    }
    Ok(())
}

/// The variables that `--env` may set although the template does not.
const OTHER_VARIABLES: [&str; 4] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "RUST_BACKTRACE"];

type Environments = Vec<(FunctionSpec, BTreeMap<String, String>)>;

/// Every function with its environment: the variables of Lambda, then the template's, then the options'.
fn environments(
    template: &Template,
    values: &RuntimeValues,
    dynamodb_url: &str,
    overrides: &BTreeMap<String, String>,
) -> Result<Environments> {
    let mut all = Vec::new();
    for spec in template.functions.values() {
        let mut environment = BTreeMap::from(
            [
                ("AWS_REGION", REGION.to_owned()),
                ("AWS_DEFAULT_REGION", REGION.to_owned()),
                // Identifies the calling function in the signature of each AWS request.
                ("AWS_ACCESS_KEY_ID", spec.id.clone()),
                ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
                ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url.to_owned()),
                ("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string()),
                ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name)),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
                ("TZ", ":UTC".to_owned()),
                ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(path) = search_path() {
            environment.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
        }
        for (name, value) in &spec.environment {
            let value = template
                .resolve(value, values)
                .with_context(|| format!("function {}: variable {name}", spec.id))?;
            environment.insert(name.clone(), value);
        }
        environment.extend(overrides.clone());
        all.push((spec.clone(), environment));
    }
    Ok(all)
}

/// Checks that each overriding variable is one that functions have, and that the functions accept their configuration.
fn check_configuration(environments: &Environments, overrides: &BTreeMap<String, String>) -> Result<()> {
    let declared = environments.iter().flat_map(|(spec, _)| spec.environment.keys().map(String::as_str));
    let known = declared.chain(OTHER_VARIABLES);
    for name in overrides.keys() {
        if !known.clone().any(|known| known == name) {
            bail!("no function has a variable {name}{}", suggestion(name, known));
        }
    }
    for (spec, environment) in environments {
        let lookup = |name: &str| environment.get(name).cloned();
        // The message of the error, as the function would log it when it starts.
        shared::config::Config::from_lookup(lookup).map_err(|error| {
            anyhow!("the function {} does not accept its configuration: {error}", spec.id)
        })?;
    }
    Ok(())
}

/// The variables of a function that runs outside of the stack: those of the template and the access to
/// `DynamoDB`. The log filter is excluded, so that the developer can set it.
fn standalone_variables(environments: &Environments) -> BTreeMap<&str, &str> {
    let mut variables = BTreeMap::new();
    for (spec, environment) in environments {
        let access = ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"];
        let names = spec.environment.keys().map(String::as_str).chain(access);
        let set = names.filter_map(|name| Some((name, environment.get(name)?.as_str())));
        // An empty variable counts as unset.
        variables.extend(set.filter(|(name, value)| *name != "RUST_LOG" && !value.is_empty()));
    }
    variables.insert("AWS_ACCESS_KEY_ID", "local");
    variables
}

/// An issuer with the secret, `iss` and `aud` that the functions expect.
fn issuer(environments: &Environments, secret: &str) -> Issuer {
    let variable = |name: &str| {
        let mut values = environments.iter().filter_map(|(_, environment)| environment.get(name));
        values.find(|value| !value.is_empty()).cloned()
    };
    Issuer {
        secret: variable("JWT_SECRET")
            .or_else(|| variable("JWT_NEXT_SECRET"))
            .unwrap_or_else(|| secret.to_owned()),
        iss: variable("JWT_ISSUER"),
        aud: variable("JWT_AUDIENCE"),
    }
}

fn table_name(template: &Template, environments: &Environments) -> String {
    let variable = environments.iter().find_map(|(_, environment)| environment.get("TABLE_NAME").cloned());
    variable.or_else(|| template.tables.first().map(|table| table.name.clone())).unwrap_or_default()
}
