//! The local stack serves the web client, and pages about itself.

use std::collections::BTreeSet;

use local::{Options, Person, Stack, project_root};
use serde_json::{Value, json};

use crate::harness::{TestStack, http_client};

async fn get(stack: &Stack, path: &str) -> reqwest::Response {
    http_client().get(format!("{}{path}", stack.http_url())).send().await.unwrap()
}

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_the_web_client() {
    let stack = TestStack::new().await.local;
    let index = get(&stack, "/").await;
    assert_eq!(index.status(), 200);
    assert_eq!(index.headers()["content-type"], "text/html");
    let index = index.text().await.unwrap();
    assert_eq!(index, std::fs::read_to_string(project_root().join("web/index.html")).unwrap());
    let files: Vec<&str> = [attributes(&index, "href"), attributes(&index, "src")].concat();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let response = get(&stack, file).await;
        assert_eq!(response.status(), 200, "{file}");
        assert!(!response.headers()["content-type"].is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_the_security_headers() {
    let stack = TestStack::new().await.local;
    for path in ["/", "/config.json", "/views/main.js", "/local", "/docs/api.md"] {
        let response = get(&stack, path).await;
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        let directives: BTreeSet<&str> = policy.split(';').map(str::trim).collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(directives.contains(directive), "{path}: {directive}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-cache", "a reload shows an edited file");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_has_the_addresses_as_the_page_was_reached() {
    let people = vec![Person { username: "ana".to_owned(), name: "Ana Moreira".to_owned() }];
    let stack = Stack::start(Options { people, ..Options::default() }).await.unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let port = stack.http_url().rsplit(':').next().unwrap();
        let url = format!("http://{host}:{port}/config.json");
        let config: Value = http_client().get(url).send().await.unwrap().json().await.unwrap();
        let expected = json!({
            "api": "",
            "socket": stack.ws_url().replace("127.0.0.1", host),
            "sign_in": "/local/token",
            "people": [{ "username": "ana", "name": "Ana Moreira" }],
        });
        assert_eq!(config, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_of_the_client_are_served() {
    let stack = TestStack::new().await.local;
    for path in
        ["/Cargo.toml", "/views", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "/views/..%2f..%2fCargo.toml"]
    {
        assert_eq!(get(&stack, path).await.status(), 404, "{path}");
    }
    let posted = http_client().post(format!("{}/index.html", stack.http_url())).send().await.unwrap();
    assert_eq!(posted.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_the_stack_links_the_contracts_and_the_documents() {
    let stack = TestStack::new().await.local;
    let page = get(&stack, "/local").await.text().await.unwrap();
    let links = attributes(&page, "href");
    assert!(links.contains(&"/openapi.yaml") && links.contains(&"/asyncapi.yaml"), "{links:?}");
    for link in links.into_iter().filter(|link| *link != "/") {
        let response = get(&stack, link).await;
        assert_eq!(response.status(), 200, "{link}");
        let file = std::fs::read_to_string(project_root().join(&link[1..])).unwrap();
        assert_eq!(response.text().await.unwrap(), file, "{link}");
    }
}
