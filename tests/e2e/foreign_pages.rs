//! Web pages of other sites cannot reach the stack through the developer's browser, on any of its ports.

use local::Options;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::{
    TestStack, http_client,
    process::{Process, serve},
};

/// The headers that a browser sends for a page of another site, with and without DNS rebinding.
const FOREIGN: [(&str, &str); 5] = [
    ("host", "evil.example"),
    ("host", "localhost.evil.example:3000"),
    ("origin", "https://evil.example"),
    ("origin", "http://localhost.evil.example"),
    ("origin", "null"),
];

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, \
                         SignedHeaders=host, Signature=x";

/// Requests to every port of a stack, which accepts them without foreign headers.
fn requests(stack: &TestStack) -> Vec<RequestBuilder> {
    let client = http_client();
    let (http, sockets) = (stack.local.http_url(), stack.local.ws_url().replace("ws://", "http://"));
    let dynamodb = stack.local.dynamodb_url();
    let list = client.post(dynamodb).header("x-amz-target", "DynamoDB_20120810.ListTables").body("{}");
    let list = list.header("authorization", SIGNATURE).header("x-amz-date", "20260101T000000Z");
    let upgrade = client.get(&sockets).header("connection", "upgrade").header("upgrade", "websocket");
    let mut requests = vec![
        client.post(format!("{http}/local/token")).json(&json!({"username": "ana"})),
        client.get(format!("{http}/api/v1/users/me")),
        client.get(http),
        client
            .request(Method::OPTIONS, format!("{http}/api/v1/users/me"))
            .header("access-control-request-method", "GET"),
        upgrade.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        client.post(format!("{sockets}/@connections/x")).body("{}"),
        list.header("content-type", "application/x-amz-json-1.0"),
        client.request(Method::OPTIONS, dynamodb).header("access-control-request-method", "POST"),
    ];
    requests
        .extend(runtime_api(stack).map(|url| client.post(format!("{url}/2018-06-01/runtime/init/error"))));
    requests
}

/// The URL of the Runtime API of a running function, which only Linux tells.
fn runtime_api(stack: &TestStack) -> Option<String> {
    let pid = *stack.local.function_pids("users-get-me").first()?;
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
    let address = environment.split('\0').find_map(|line| line.strip_prefix("AWS_LAMBDA_RUNTIME_API="))?;
    Some(format!("http://{address}"))
}

async fn assert_refused(answer: Response, what: &str) {
    assert_eq!(answer.status(), 403, "{what}");
    assert!(!answer.headers().contains_key("access-control-allow-origin"), "{what}");
    let message = answer.json::<Value>().await.unwrap()["message"].take();
    assert!(message.as_str().unwrap().starts_with("The local stack accepts"), "{what}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_answers_to_a_foreign_host_or_origin() {
    let stack = TestStack::new().await;
    stack.actor("ana").await;
    assert_eq!(requests(&stack).len(), if cfg!(target_os = "linux") { 9 } else { 8 });
    for (name, value) in FOREIGN {
        for request in requests(&stack) {
            let what = format!("{request:?} {name}: {value}");
            assert_refused(request.header(name, value).send().await.unwrap(), &what).await;
        }
    }
    for request in requests(&stack) {
        let answer = request.header("origin", "http://localhost:5173").send().await.unwrap();
        let url = answer.url().clone();
        let text = answer.text().await.unwrap();
        assert!(!text.contains("The local stack accepts"), "{url}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_this_machine_may_call_the_http_api() {
    let stack = TestStack::new().await;
    let url = format!("{}/api/v1/users/me", stack.local.http_url());
    for origin in ["http://localhost:5173", "http://127.0.0.1:8080", "http://[::1]:3000", "https://localhost"]
    {
        let preflight = http_client().request(Method::OPTIONS, &url).header("origin", origin);
        let answer = preflight.header("access-control-request-method", "GET").send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
            (204, &origin.parse().unwrap())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_an_allowed_origin_may_call_the_http_api_but_request_no_token() {
    let origin = "https://app.example";
    let parameters = [("AllowedOrigins".to_owned(), format!("{origin},*"))].into();
    let stack = TestStack::with(Options { parameters, ..Options::default() }).await;
    let url = |path: &str| format!("{}{path}", stack.local.http_url());
    let read = http_client().get(url("/api/v1/users/me")).header("origin", origin).send().await.unwrap();
    assert_eq!(read.status(), 401);
    assert!(read.headers().contains_key("access-control-allow-origin"));
    let token =
        http_client().post(url("/local/token")).header("origin", origin).json(&json!({"username": "ana"}));
    assert_eq!(token.send().await.unwrap().status(), 403);
    // The wildcard would open the stack to every page.
    let other = http_client().get(url("/api/v1/users/me")).header("origin", "https://evil.example");
    assert_refused(other.send().await.unwrap(), "an origin that only the wildcard allows").await;
    let table = http_client().get(stack.local.dynamodb_url()).header("origin", origin);
    assert_refused(table.send().await.unwrap(), "the table").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_requests_reach_a_connection() {
    let stack = TestStack::new().await;
    let url = format!("{}/@connections/x", stack.local.ws_url().replace("ws://", "http://"));
    let post = || http_client().post(&url).body("{}");
    for unsigned in
        [post(), post().header("authorization", "Bearer x"), post().header("authorization", SIGNATURE)]
    {
        let answer = unsigned.send().await.unwrap();
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
    }
    let signature = SIGNATURE.replace("dynamodb", "execute-api");
    let signed = post().header("authorization", signature).header("x-amz-date", "20260101T000000Z");
    assert_eq!(signed.send().await.unwrap().status(), 410, "there is no such connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_on_all_interfaces_issues_tokens_to_this_machine_only() {
    let folder = tempfile::tempdir().unwrap();
    let ready_file = folder.path().join("ready.json");
    let output = std::fs::File::create(folder.path().join("output")).unwrap();
    let mut command = serve("0.0.0.0:0", folder.path());
    command.arg("--no-demo").arg("--ready-file").arg(&ready_file).stdout(output);
    let stack = Process::started(command, &ready_file).await;
    let token = |host: &str| {
        let url = format!("http://{host}:{}/local/token", stack.http().rsplit(':').next().unwrap());
        http_client().post(url).json(&json!({"username": "ana"})).send()
    };
    assert_eq!(token("127.0.0.1").await.unwrap().status(), 200);
    let printed = std::fs::read_to_string(folder.path().join("output")).unwrap();
    for address in local::network_addresses().iter().filter(|address| address.is_ipv4()) {
        let host = address.to_string();
        assert!(printed.contains(&format!("http://{host}:")), "{printed}");
        let answer = token(&host).await.unwrap();
        assert_eq!(answer.status(), 403);
        assert!(answer.text().await.unwrap().contains("Only this machine"));
        let url = format!("http://{host}:{}/api/v1/users/me", stack.http().rsplit(':').next().unwrap());
        assert_eq!(http_client().get(url).send().await.unwrap().status(), 401);
    }
    assert_eq!(stack.end("TERM").await, Some(0));
}
