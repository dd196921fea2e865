//! First contact, usernames and the search for people.

use serde_json::json;
use shared::{domain::users::profile::TokenProfile, id::UserId, store::db::keys};
use uuid::Uuid;

use crate::cloud::Cloud;

fn named(name: &str) -> TokenProfile {
    TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() }
}

async fn found(cloud: &Cloud, query: &str, caller: UserId) -> Vec<String> {
    let people = cloud.app.search_users(query, caller, 20).await.unwrap();
    people.into_iter().map(|(profile, _)| profile.username).collect()
}

#[tokio::test(start_paused = true)]
async fn first_contact_makes_one_profile_however_many_calls_come_at_once() {
    let cloud = Cloud::new();
    let user = UserId::from(Uuid::new_v4());
    let (now, newcomer) = (cloud.app.now(), named("Ana"));
    let calls = (0..16).map(|_| cloud.app.store.profile_or_new(user, &newcomer, now));
    let profiles = futures::future::try_join_all(calls).await.unwrap();
    assert!(profiles.iter().all(|profile| profile.username == "Ana"));
    assert_eq!(found(&cloud, "ana", UserId::from(Uuid::new_v4())).await, ["Ana"]);
}

#[tokio::test(start_paused = true)]
async fn a_username_is_taken_without_regard_to_case() {
    let cloud = Cloud::new();
    let now = cloud.app.now();
    let people: Vec<UserId> = (0..8).map(|_| Uuid::new_v4().into()).collect();
    let newcomers: Vec<TokenProfile> =
        ["ana", "ANA"].iter().cycle().take(8).map(|name| named(name)).collect();
    let calls = people
        .iter()
        .zip(&newcomers)
        .map(|(user, newcomer)| cloud.app.store.profile_or_new(*user, newcomer, now));
    let profiles = futures::future::try_join_all(calls).await.unwrap();
    let mut names: Vec<String> =
        profiles.into_iter().map(|profile| profile.username.to_lowercase()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.iter().filter(|name| *name == "ana").count() == 1, "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn any_part_of_a_username_finds_its_owner_once_and_never_the_caller() {
    let cloud = Cloud::new();
    let ana = cloud.person("Banana Ana").await;
    let ben = cloud.person("ben").await;
    for query in ["an", "banana", "na a", "ana"] {
        assert_eq!(found(&cloud, query, ben).await, ["Banana Ana"], "{query}");
        assert_eq!(found(&cloud, query, ana).await, Vec::<String>::new(), "{query}");
    }
    assert_eq!(found(&cloud, "nanb", ben).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_search_answers_at_most_twenty() {
    let cloud = Cloud::new();
    for n in 0..25 {
        cloud.person(&format!("runner{n}")).await;
    }
    assert_eq!(found(&cloud, "runner", Uuid::new_v4().into()).await.len(), 20);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "sets what no call of the store sets")]
async fn an_email_finds_its_owner_exactly_and_only_where_they_allow_it() {
    let cloud = Cloud::new();
    let (ana, ben) = (UserId::from(Uuid::new_v4()), cloud.person("ben").await);
    let newcomer = TokenProfile { email: Some("Ana@Example.com".into()), ..named("ana") };
    cloud.app.store.profile_or_new(ana, &newcomer, cloud.app.now()).await.unwrap();
    assert_eq!(found(&cloud, "ana@example.com", ben).await, Vec::<String>::new());

    let key = shared::store::db::item::attributes(keys::profile(ana));
    let allow = cloud.client.update_item().table_name("chat").set_key(Some(key));
    let allow = allow.update_expression("SET settings.findable_by_email = :yes");
    let yes = aws_sdk_dynamodb::types::AttributeValue::Bool(true);
    allow.expression_attribute_values(":yes", yes).send().await.unwrap();
    assert_eq!(found(&cloud, "ana@example.com", ben).await, ["ana"]);
    assert_eq!(found(&cloud, "na@example.com", ben).await, Vec::<String>::new());
    assert_eq!(found(&cloud, "ana@example.com", ana).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_email_belongs_to_the_first_who_brings_it_and_is_kept_as_a_hash() {
    let cloud = Cloud::new();
    let (ana, eve) = (UserId::from(Uuid::new_v4()), UserId::from(Uuid::new_v4()));
    let with_email = |name| TokenProfile { email: Some("ana@example.com".into()), ..named(name) };
    cloud.app.store.profile_or_new(ana, &with_email("ana"), cloud.app.now()).await.unwrap();
    let eves = cloud.app.store.profile_or_new(eve, &with_email("eve"), cloud.app.now()).await.unwrap();
    assert_eq!(eves.username, "eve");
    // printf %s ana@example.com | sha256sum
    let hash = "8e43ca37701228e74983efdbd0cff5c16b3b1e5d4e29a7c05626d4d25a018e11";
    let claims = cloud.partition(&format!("EMAIL#{hash}"));
    assert_eq!(claims[0]["user_id"], json!({"S": ana.to_string()}));
    let profile = format!("{:?}", cloud.partition(&format!("USER#{ana}")));
    assert!(!profile.contains("example.com"), "{profile}");
}

#[tokio::test(start_paused = true)]
async fn processes_that_draw_the_same_random_numbers_do_not_repeat_each_others_transactions() {
    let cloud = Cloud::new();
    for name in ["ana", "ben"] {
        fastrand::seed(7);
        let newcomer = TokenProfile { username: Some(name.to_owned()), ..TokenProfile::default() };
        let user = UserId::from(Uuid::new_v4());
        let profile = cloud.another_store().profile_or_new(user, &newcomer, cloud.app.now()).await.unwrap();
        assert_eq!(profile.username, name);
    }
}
