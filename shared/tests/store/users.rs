//! Profile creation, usernames and user search.

use serde_json::json;
use shared::{
    domain::users::{profile::TokenProfile, username::SearchQuery},
    id::UserId,
    store::db::keys,
};
use uuid::Uuid;

use crate::backend::TestBackend;

fn named(name: &str) -> TokenProfile {
    TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() }
}

async fn search(backend: &TestBackend, query: &str, caller: UserId) -> Vec<String> {
    let query = SearchQuery::read(query).unwrap();
    let users = backend.app.search_users(&query, caller, 20).await.unwrap();
    users.into_iter().map(|(profile, _)| profile.username).collect()
}

#[tokio::test(start_paused = true)]
async fn concurrent_first_calls_create_one_profile() {
    let backend = TestBackend::new();
    let user = UserId::from(Uuid::new_v4());
    let (now, token_profile) = (backend.app.now(), named("Ana"));
    let calls = (0..16).map(|_| backend.app.store.profile_or_new(user, &token_profile, now));
    let profiles = futures::future::try_join_all(calls).await.unwrap();
    assert!(profiles.iter().all(|profile| profile.username == "Ana"));
    assert_eq!(search(&backend, "ana", UserId::from(Uuid::new_v4())).await, ["Ana"]);
}

#[tokio::test(start_paused = true)]
async fn usernames_are_unique_regardless_of_case() {
    let backend = TestBackend::new();
    let now = backend.app.now();
    let users: Vec<UserId> = (0..8).map(|_| Uuid::new_v4().into()).collect();
    let token_profiles: Vec<TokenProfile> =
        ["ana", "ANA"].iter().cycle().take(8).map(|name| named(name)).collect();
    let calls = users
        .iter()
        .zip(&token_profiles)
        .map(|(user, token_profile)| backend.app.store.profile_or_new(*user, token_profile, now));
    let profiles = futures::future::try_join_all(calls).await.unwrap();
    let mut names: Vec<String> =
        profiles.into_iter().map(|profile| profile.username.to_lowercase()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.iter().filter(|name| *name == "ana").count() == 1, "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn any_part_of_a_username_finds_its_user_once_and_never_the_caller() {
    let backend = TestBackend::new();
    let ana = backend.user("Banana Ana").await;
    let ben = backend.user("ben").await;
    for query in ["an", "banana", "na a", "ana"] {
        assert_eq!(search(&backend, query, ben).await, ["Banana Ana"], "{query}");
        assert_eq!(search(&backend, query, ana).await, Vec::<String>::new(), "{query}");
    }
    assert_eq!(search(&backend, "nanb", ben).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_search_ignores_accents_and_never_reaches_the_ids_in_the_index() {
    let backend = TestBackend::new();
    let (irem, ben) = (backend.user("İrem Zoë 77").await, backend.user("ben").await);
    for query in ["irem", "İREM", "i\u{307}rem", "zoe", "Zoë", "m zo", "ZOE\u{308}", "@irem"] {
        assert_eq!(search(&backend, query, ben).await, ["İrem Zoë 77"], "{query}");
    }
    assert_eq!(backend.partition("NAME#irem zoë 77")[0]["user_id"], json!({"S": irem.to_string()}));
    let start = &irem.to_string()[..1];
    for query in ["77", &format!("77#{start}"), &format!("77  {start}"), &format!("77@{start}")] {
        let found = search(&backend, query, ben).await;
        assert_eq!(found.len(), usize::from(query == "77"), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_returns_at_most_twenty_users() {
    let backend = TestBackend::new();
    for n in 0..25 {
        backend.user(&format!("runner{n}")).await;
    }
    assert_eq!(search(&backend, "runner", Uuid::new_v4().into()).await.len(), 20);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "sets one setting without a profile change")]
async fn an_exact_email_finds_its_user_only_if_they_allow_it() {
    let backend = TestBackend::new();
    let (ana, ben) = (UserId::from(Uuid::new_v4()), backend.user("ben").await);
    let token_profile = TokenProfile { email: Some("Ana@Example.com".into()), ..named("ana") };
    backend.app.store.profile_or_new(ana, &token_profile, backend.app.now()).await.unwrap();
    assert_eq!(search(&backend, "ana@example.com", ben).await, Vec::<String>::new());

    let key = shared::store::db::item::attributes(keys::profile(ana));
    let allow = backend.client.update_item().table_name("chat").set_key(Some(key));
    let allow = allow.update_expression("SET settings.findable_by_email = :yes");
    let yes = aws_sdk_dynamodb::types::AttributeValue::Bool(true);
    allow.expression_attribute_values(":yes", yes).send().await.unwrap();
    assert_eq!(search(&backend, "ana@example.com", ben).await, ["ana"]);
    assert_eq!(search(&backend, "na@example.com", ben).await, Vec::<String>::new());
    assert_eq!(search(&backend, "ana@example.com", ana).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_email_belongs_to_its_first_user_and_is_stored_as_a_hash() {
    let backend = TestBackend::new();
    let (ana, eve) = (UserId::from(Uuid::new_v4()), UserId::from(Uuid::new_v4()));
    let with_email = |name| TokenProfile { email: Some("ana@example.com".into()), ..named(name) };
    backend.app.store.profile_or_new(ana, &with_email("ana"), backend.app.now()).await.unwrap();
    let eves = backend.app.store.profile_or_new(eve, &with_email("eve"), backend.app.now()).await.unwrap();
    assert_eq!(eves.username, "eve");
    // printf %s ana@example.com | sha256sum
    let hash = "8e43ca37701228e74983efdbd0cff5c16b3b1e5d4e29a7c05626d4d25a018e11";
    let claims = backend.partition(&format!("EMAIL#{hash}"));
    assert_eq!(claims[0]["user_id"], json!({"S": ana.to_string()}));
    let profile = format!("{:?}", backend.partition(&format!("USER#{ana}")));
    assert!(!profile.contains("example.com"), "{profile}");
}

#[tokio::test(start_paused = true)]
async fn processes_with_the_same_random_numbers_use_different_transaction_tokens() {
    let backend = TestBackend::new();
    for name in ["ana", "ben"] {
        fastrand::seed(7);
        let token_profile = TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() };
        let user = UserId::from(Uuid::new_v4());
        let profile =
            backend.another_store().profile_or_new(user, &token_profile, backend.app.now()).await.unwrap();
        assert_eq!(profile.username, name);
    }
}
