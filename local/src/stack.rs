//! A whole running stack: how it is put together, and how it is taken apart again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::body::Bytes;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::gateway::{HttpGateway, SocketGateway};
use crate::lambda::{Functions, Host};
use crate::options::{Options, search_path};
use crate::schedules;
use crate::storage::{DataFolder, Engine};
use crate::template::{FunctionSpec, REGION, Surroundings, Template};
use crate::token::{DEVELOPMENT_SECRET, DevToken, Extras, Issuer};

/// How long stopping waits for calls that are under way, and again for connections to close.
const GRACE: Duration = Duration::from_secs(10);

/// A running stack. Dropping it ends the functions at once; [`Stack::stop`] ends it in order.
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
    /// Ends the functions when the stack is dropped, whoever else still holds them.
    _end: DropGuard,
}

impl Stack {
    /// Starts everything, and returns when requests will be served.
    ///
    /// # Errors
    /// If the template cannot be used, a binary is missing, an address is taken, or the data folder is in use or has
    /// other tables.
    pub async fn start(options: Options) -> Result<Self> {
        let mut template = Template::read(&options.template)?;
        check_binaries(&template, &options)?;
        let folder = DataFolder::open(options.data.as_deref()).await?;
        let secret = if options.is_loopback_only() {
            DEVELOPMENT_SECRET.to_owned()
        } else {
            tracing::warn!("whoever reaches this machine's addresses can sign in here as anybody");
            folder.secret()?
        };

        let http_listener = listen(options.http, "the HTTP API (--http)").await?;
        let socket_listener = listen(options.ws, "the WebSocket API (--ws)").await?;
        let socket_address = socket_listener.local_addr()?;
        let http_url = format!("http://{}", http_listener.local_addr()?);
        let engine = Engine::start(&folder, options.dynamodb, &template.tables)?;

        let surroundings = Surroundings {
            http: http_url.clone(),
            management: format!("http://{socket_address}"),
            secret: secret.clone(),
        };
        let environments = environments(&template, &surroundings, engine.url(), &options.env)?;
        let issuer = issuer(&environments, &secret);
        let table = table_name(&template, &environments);
        folder.write_env(&variables_alone(&environments))?;
        let host = Host { clock: options.clock.clone(), binaries: options.binaries };
        let functions = Arc::new(Functions::new(&host, environments));
        let end = functions.end_on_drop();

        let api = std::mem::take(&mut template.http);
        let http = Arc::new(HttpGateway::new(api, Arc::clone(&functions), issuer, options.clock.clone()));
        let http_server = Server::start(http_listener, Arc::clone(&http).router());
        let mut ws_url = format!("ws://{socket_address}");
        let (mut sockets, mut socket_server) = (None, None);
        if let Some(api) = template.socket.take() {
            ws_url = format!("{ws_url}/{}", api.stage);
            let domain = socket_address.to_string();
            let clock = options.clock.clone();
            let gateway = Arc::new(SocketGateway::new(api, domain, Arc::clone(&functions), clock));
            socket_server = Some(Server::start(socket_listener, Arc::clone(&gateway).router()));
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
            _end: end,
        })
    }

    /// The HTTP API's address, without a slash at the end.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// The WebSocket API's address, stage included.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// The engine's address.
    pub fn dynamodb_url(&self) -> &str {
        self.engine.url()
    }

    /// The name of the table that the functions use.
    pub fn table_name(&self) -> &str {
        &self.table
    }

    /// The secret that tokens are signed with, for tests that sign their own.
    pub fn jwt_secret(&self) -> &str {
        &self.secret
    }

    /// What the template has and the stack does not do, one sentence each.
    pub fn notices(&self) -> &[String] {
        &self.template.notices
    }

    /// A token for a user, who is made if new: what `POST /local/token` answers.
    ///
    /// # Errors
    /// If the username will not do, or the profile cannot be made.
    pub async fn token(&self, username: &str) -> Result<DevToken> {
        self.http.token(username, &Extras::default()).await
    }

    /// Calls one function with an event as it is, past the gateway, and returns what it answers.
    ///
    /// # Errors
    /// If there is no such function, or it fails, ends, times out or does not start.
    pub async fn invoke(&self, binary: &str, event: impl Into<Bytes>) -> Result<Bytes> {
        let function = self.template.functions.values().find(|function| function.binary == binary);
        let function = function.with_context(|| format!("the template has no function {binary}"))?;
        let answer = self.functions.invoke(&function.id, event.into()).await;
        answer.map_err(|error| anyhow!("{binary}: {error}"))
    }

    /// The ids of the processes that run a binary now.
    pub fn function_pids(&self, binary: &str) -> Vec<u32> {
        self.functions.pids(binary)
    }

    /// Waits until no call is under way.
    pub async fn settle(&self) {
        self.functions.settle(GRACE).await;
    }

    /// Stops in order: no new requests, calls finish, sockets close with 1001, functions end, the engine closes.
    pub async fn stop(self) {
        if let Some(sockets) = &self.sockets {
            sockets.drain();
        }
        self.http_server.stop().await;
        self.functions.settle(GRACE).await;
        if let Some(sockets) = &self.sockets
            && tokio::time::timeout(GRACE, sockets.close()).await.is_err()
        {
            tracing::warn!("some connections were still open and are cut");
        }
        // Last of the two: until here, functions could post to connections.
        if let Some(server) = self.socket_server {
            server.stop().await;
        }
        self.functions.stop().await;
        self.engine.stop().await;
    }
}

/// One listening service.
#[derive(Debug)]
struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    fn start(listener: TcpListener, router: Router) -> Self {
        let stop = CancellationToken::new();
        let listener = listener.tap_io(without_delay);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("a listener ended: {error}");
            }
        });
        Self { stop, task }
    }

    /// Stops accepting, and waits for requests that are under way, but not for ever.
    async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(GRACE, &mut self.task).await.ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Frames and answers are small and follow each other: none of them should wait for the client's acknowledgement.
pub fn without_delay(stream: &mut TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection keeps its delay: {error}");
    }
}

async fn listen(address: SocketAddr, whose: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("the address {address} for {whose} cannot be listened on"))
}

fn check_binaries(template: &Template, options: &Options) -> Result<()> {
    for function in template.functions.values() {
        let program = options.binaries.join(&function.binary);
        if !program.is_file() {
            bail!(
                "the binary {} of {} is missing; `cargo build --workspace --bins` makes it",
                program.display(),
                function.id
            );
        }
    }
    Ok(())
}

type Environments = Vec<(FunctionSpec, BTreeMap<String, String>)>;

/// Every function with its whole environment: what Lambda gives, what the template says, and what the options add.
fn environments(
    template: &Template,
    surroundings: &Surroundings,
    dynamodb: &str,
    last: &BTreeMap<String, String>,
) -> Result<Environments> {
    let mut all = Vec::new();
    for spec in template.functions.values() {
        let mut environment = BTreeMap::from(
            [
                ("AWS_REGION", REGION.to_owned()),
                ("AWS_DEFAULT_REGION", REGION.to_owned()),
                // Tells the functions apart in the signatures of their calls.
                ("AWS_ACCESS_KEY_ID", spec.id.clone()),
                ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
                ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.to_owned()),
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
                .settle(value, surroundings)
                .with_context(|| format!("function {}: variable {name}", spec.id))?;
            environment.insert(name.clone(), value);
        }
        environment.extend(last.clone());
        all.push((spec.clone(), environment));
    }
    Ok(all)
}

/// The variables for a function that runs outside of the stack: the template's own, and how to reach the engine. The
/// log filter is left to whoever runs it.
fn variables_alone(environments: &Environments) -> BTreeMap<&str, &str> {
    let mut alone = BTreeMap::new();
    for (spec, environment) in environments {
        let access = ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"];
        let names = spec.environment.keys().map(String::as_str).chain(access);
        let set = names.filter_map(|name| Some((name, environment.get(name)?.as_str())));
        // An empty variable counts as absent.
        alone.extend(set.filter(|(name, value)| *name != "RUST_LOG" && !value.is_empty()));
    }
    alone.insert("AWS_ACCESS_KEY_ID", "local");
    alone
}

/// Signs what the functions check, as far as their variables say.
fn issuer(environments: &Environments, secret: &str) -> Issuer {
    let variable = |name: &str| {
        let mut values = environments.iter().filter_map(|(_, environment)| environment.get(name));
        values.find(|value| !value.is_empty()).cloned()
    };
    Issuer {
        secret: variable("JWT_SECRET").unwrap_or_else(|| secret.to_owned()),
        iss: variable("JWT_ISSUER"),
        aud: variable("JWT_AUDIENCE"),
    }
}

fn table_name(template: &Template, environments: &Environments) -> String {
    let used = environments.iter().find_map(|(_, environment)| environment.get("TABLE_NAME").cloned());
    used.or_else(|| template.tables.first().map(|table| table.name.clone())).unwrap_or_default()
}
