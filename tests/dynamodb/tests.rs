//! Each rule, at its limit and beyond it.

use serde_json::{Value, json};

use crate::dynamodb::{check_answer, check_request};

#[track_caller]
fn accepts(operation: &str, request: &Value) {
    assert_eq!(check_request(operation, request), Ok(()));
}

#[track_caller]
fn refuses(operation: &str, request: &Value, reason: &str) {
    let violation = check_request(operation, request).unwrap_err();
    assert!(violation.contains(reason), "{violation}");
}

fn key(pk: &str, sk: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": sk}})
}

/// An item with this value in the attribute `a`.
fn put(value: &Value) -> Value {
    json!({"Item": {"pk": {"S": "p"}, "sk": {"S": "s"}, "a": value}})
}

fn query(condition: &str, values: &Value) -> Value {
    json!({"KeyConditionExpression": condition, "ExpressionAttributeValues": values})
}

fn update(expression: &str) -> Value {
    json!({
        "Key": key("p", "s"),
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {"#a": "a"},
        "ExpressionAttributeValues": {":v": {"N": "1"}},
    })
}

fn texts(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}

#[test]
fn keys_are_texts_of_limited_size() {
    let (long_partition, long_sort) = ("p".repeat(2048), "s".repeat(1024));
    for (pk, sk) in
        [("", "s"), ("p", ""), (&*(long_partition.clone() + "p"), "s"), ("p", &*(long_sort.clone() + "s"))]
    {
        let key = key(pk, sk);
        refuses("GetItem", &json!({"Key": key}), "the key");
        refuses("PutItem", &json!({"Item": key}), "the key");
        refuses("Query", &json!({"KeyConditionExpression": "pk = :p", "ExclusiveStartKey": key}), "the key");
        refuses("BatchGetItem", &json!({"RequestItems": {"chat": {"Keys": [key]}}}), "the key");
        refuses(
            "BatchWriteItem",
            &json!({"RequestItems": {"chat": [{"DeleteRequest": {"Key": key}}]}}),
            "the key",
        );
        refuses("TransactWriteItems", &json!({"TransactItems": [{"Delete": {"Key": key}}]}), "the key");
        refuses("TransactWriteItems", &json!({"TransactItems": [{"Put": {"Item": key}}]}), "the key");
    }
    accepts("GetItem", &json!({"Key": key(&long_partition, &long_sort)}));
    refuses("GetItem", &json!({"Key": {"pk": {"S": "p"}}}), "not a key");
    refuses("GetItem", &json!({"Key": {"pk": {"S": "p"}, "sk": {"N": "1"}}}), "the key sk is N");
    refuses("GetItem", &json!({"Key": {"pk": {"S": "p"}, "sk": {"S": "s"}, "a": {"S": "a"}}}), "not a key");
}

#[test]
fn key_conditions_compare_keys_with_keys() {
    let between = "pk = :p AND sk BETWEEN :first AND :last";
    let values =
        |first: &str, last: &str| json!({":p": {"S": "p"}, ":first": {"S": first}, ":last": {"S": last}});
    accepts("Query", &query(between, &values("a", "a")));
    refuses("Query", &query(between, &values("", "z")), "the key sk");
    refuses("Query", &query(between, &values("b", "a")), "reversed");
    refuses("Query", &query(between, &values("a", &"z".repeat(1025))), "the key sk");
    refuses("Query", &query("pk = :p", &json!({":p": {"S": ""}})), "the key pk");
    refuses(
        "Query",
        &query("pk = :p AND begins_with(sk, :s)", &json!({":p": {"S": "p"}, ":s": {"S": ""}})),
        "the key sk",
    );
    refuses("Query", &query("owner = :o", &json!({":o": {"S": "o"}})), "not a key");
    let named = json!({
        "KeyConditionExpression": "#k = :p",
        "ExpressionAttributeNames": {"#k": "pk"},
        "ExpressionAttributeValues": {":p": {"S": ""}},
    });
    refuses("Query", &named, "the key pk");
    refuses("Query", &json!({}), "no KeyConditionExpression");
    refuses("Scan", &json!({"Limit": 0}), "Limit");
    refuses("Query", &json!({"KeyConditions": {}, "KeyConditionExpression": "pk = :p"}), "KeyConditions");
}

#[test]
fn expressions_have_a_limited_size_and_number_of_operators() {
    let padded = |length: usize| update(&format!("SET #a = :v{}", " ".repeat(length - 11)));
    accepts("UpdateItem", &padded(4096));
    refuses("UpdateItem", &padded(4097), "4097 bytes");
    let sums = |count: usize| update(&format!("SET #a = :v{}", "+:v".repeat(count - 1)));
    accepts("UpdateItem", &sums(300));
    refuses("UpdateItem", &sums(301), "operators");
    let mut condition = update("SET #a = :v");
    condition["ConditionExpression"] = format!("#a IN (:v{})", ",:v".repeat(99)).into();
    accepts("UpdateItem", &condition);
    condition["ConditionExpression"] = format!("#a IN (:v{})", ",:v".repeat(100)).into();
    refuses("UpdateItem", &condition, "IN has more");
    condition["ConditionExpression"] = "".into();
    refuses("UpdateItem", &condition, "0 bytes");
}

#[test]
fn placeholders_are_declared_and_used() {
    accepts("UpdateItem", &update("SET #a = :v"));
    for unequal in ["SET #a = :other", "SET #b = :v", "SET a = :v", "REMOVE #a", "SET #a = :v, b = :w"] {
        refuses("UpdateItem", &update(unequal), "unused or undeclared");
        let mut action = update(unequal);
        action["TableName"] = "chat".into();
        let transaction = json!({"TransactItems": [{"Update": action}]});
        refuses("TransactWriteItems", &transaction, "unused or undeclared");
    }
    let mut empty = update("REMOVE a");
    empty["ExpressionAttributeNames"] = json!({});
    refuses("UpdateItem", &empty, "is empty");
    let mut long = update("SET #a = :v");
    long["ExpressionAttributeValues"] = json!({":v": {"S": "x".repeat(2 * 1024 * 1024)}});
    refuses("UpdateItem", &long, "the names and values");
    let batch = json!({"RequestItems": {"chat": {
        "Keys": [key("p", "s")], "ProjectionExpression": "a", "ExpressionAttributeNames": {"#a": "a"},
    }}});
    refuses("BatchGetItem", &batch, "unused or undeclared");
}

#[test]
fn numbers_have_38_digits_and_a_limited_magnitude() {
    let nines = "9".repeat(38);
    for number in [
        "0",
        "-0.0",
        "1",
        "-1.50",
        "1e125",
        "1E-130",
        "00012",
        &nines,
        &format!("0.{nines}"),
        &format!("{nines}000"),
    ] {
        accepts("PutItem", &put(&json!({"N": number})));
    }
    for number in [
        "",
        "-",
        "x",
        "1e",
        "1e126",
        "0.1e-130",
        "1e-131",
        "NaN",
        "0x1",
        " 1",
        &format!("{nines}9"),
        &format!("{nines}.9"),
    ] {
        refuses("PutItem", &put(&json!({"N": number})), "not a number");
        refuses("PutItem", &put(&json!({"M": {"nested": {"L": [{"N": number}]}}})), "not a number");
        refuses("PutItem", &put(&json!({"NS": [number]})), "not a number");
    }
    let mut nested = update("SET #a = :v");
    nested["ExpressionAttributeValues"] = json!({":v": {"N": "1e126"}});
    refuses("UpdateItem", &nested, "not a number");
}

#[test]
fn values_have_one_type_and_sets_have_elements() {
    for value in
        [json!({"S": "", "N": "1"}), json!({}), json!({"S": 1}), json!({"NULL": false}), json!({"X": "x"})]
    {
        assert!(check_request("PutItem", &put(&value)).is_err(), "{value}");
    }
    for value in
        [json!({"S": ""}), json!({"NULL": true}), json!({"L": []}), json!({"M": {}}), json!({"SS": [""]})]
    {
        accepts("PutItem", &put(&value));
    }
    for set in [json!({"SS": []}), json!({"NS": []}), json!({"BS": []}), json!({"SS": ["a", "a"]})] {
        refuses("PutItem", &put(&set), "a set");
    }
    refuses("PutItem", &put(&json!({"M": {"": {"S": "x"}}})), "an attribute name has 0 bytes");
    let nested = |levels: usize| (0..levels).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
    accepts("PutItem", &put(&nested(32)));
    refuses("PutItem", &put(&nested(33)), "levels");
}

#[test]
fn items_and_transactions_have_a_limited_size() {
    // The key and the name of the attribute have 7 bytes.
    let text = |bytes: usize| json!({"S": "x".repeat(bytes - 7)});
    accepts("PutItem", &put(&text(400 * 1024)));
    refuses("PutItem", &put(&text(400 * 1024 + 1)), "the item has 409601 bytes");
    let puts = |count: usize| -> Vec<Value> {
        texts(0..count)
            .map(|n| {
                let mut put = put(&text(400 * 1024 - 1));
                put["Item"]["sk"]["S"] = n.into();
                json!({"Put": put})
            })
            .collect()
    };
    accepts("TransactWriteItems", &json!({"TransactItems": puts(10)}));
    refuses("TransactWriteItems", &json!({"TransactItems": puts(11)}), "the transaction has");
}

#[test]
fn batches_and_transactions_have_a_limited_number_of_distinct_keys() {
    let keys = |count: usize| -> Vec<Value> { texts(0..count).map(|n| key("p", &n)).collect() };
    let twice = || vec![key("p", "s"), key("p", "s")];
    let get = |keys: Vec<Value>| json!({"RequestItems": {"chat": {"Keys": keys}}});
    let delete = |keys: Vec<Value>| {
        let deletions = keys.into_iter().map(|key| json!({"DeleteRequest": {"Key": key}}));
        json!({"RequestItems": {"chat": deletions.collect::<Vec<_>>()}})
    };
    let transaction = |keys: Vec<Value>| {
        let deletions = keys.into_iter().map(|key| json!({"Delete": {"TableName": "chat", "Key": key}}));
        json!({"TransactItems": deletions.collect::<Vec<_>>()})
    };
    for (operation, request, max) in [
        ("BatchGetItem", &get as &dyn Fn(Vec<Value>) -> Value, 100),
        ("BatchWriteItem", &delete, 25),
        ("TransactWriteItems", &transaction, 100),
    ] {
        accepts(operation, &request(keys(max)));
        refuses(operation, &request(keys(max + 1)), "are allowed");
        refuses(operation, &request(Vec::new()), "no keys");
        refuses(operation, &request(twice()), "occurs twice");
    }
    let mixed = json!({"TransactItems": [
        {"Put": {"TableName": "chat", "Item": key("p", "s")}},
        {"ConditionCheck": {"TableName": "chat", "Key": key("p", "s"), "ConditionExpression": "attribute_exists(pk)"}},
    ]});
    refuses("TransactWriteItems", &mixed, "occurs twice");
    for (action, reason) in [
        (json!({"ConditionCheck": {"Key": key("p", "s")}}), "no ConditionExpression"),
        (json!({"Update": {"Key": key("p", "s")}}), "no UpdateExpression"),
    ] {
        refuses("TransactWriteItems", &json!({"TransactItems": [action]}), reason);
    }
    let mut token = transaction(keys(1));
    token["ClientRequestToken"] = "t".repeat(37).into();
    refuses("TransactWriteItems", &token, "ClientRequestToken");
}

#[test]
fn an_answer_that_refuses_a_request_as_invalid_is_a_violation() {
    let error = |kind: &str| json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}")});
    let cancelled = |code: &str| json!({"__type": "TransactionCanceledException", "CancellationReasons": [{"Code": "None"}, {"Code": code}]});
    for invalid in
        [error("ValidationException"), error("SerializationException"), cancelled("ValidationError")]
    {
        assert!(check_answer("PutItem", &invalid).is_err(), "{invalid}");
    }
    let conditions = [cancelled("ConditionalCheckFailed"), cancelled("TransactionConflict")];
    for valid in
        conditions.into_iter().chain([error("ConditionalCheckFailedException"), error("ThrottlingException")])
    {
        assert_eq!(check_answer("PutItem", &valid), Ok(()));
    }
}
