//! Friend requests, friendships and blocks.

use serde_json::{Value, json};

use super::{Actor, Answer};

impl Actor {
    pub async fn send_request(&self, other: &Self) -> Answer {
        self.post("/friends/requests", json!({"receiver_id": other.id})).await
    }

    pub async fn accept(&self, request: &Value) -> Answer {
        self.put(&format!("/friends/requests/{}?action=accepted", request["id"].as_str().unwrap())).await
    }

    pub async fn cancel(&self, request: &Value) -> Answer {
        self.delete(&format!("/friends/requests/{}", request["id"].as_str().unwrap())).await
    }

    pub async fn unfriend(&self, other: &Self) -> Answer {
        self.delete(&format!("/friends/{}", other.id)).await
    }

    pub async fn block(&self, other: &Self) -> Answer {
        self.put(&format!("/friends/blocks/{}", other.id)).await
    }

    pub async fn unblock(&self, other: &Self) -> Answer {
        self.delete(&format!("/friends/blocks/{}", other.id)).await
    }

    /// The usernames in a list of users, sorted.
    pub async fn names(&self, path: &str) -> Vec<String> {
        let users = self.get(path).await.ok();
        let users = users.as_array().unwrap().iter();
        let mut names: Vec<_> = users.map(|user| user["username"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}
