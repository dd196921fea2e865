//! Evaluates the functions' policies in the template as IAM does, by action and partition key.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml_ng::Value;

use crate::names::{template, text};

/// The condition operator of the template. A call without partition keys, such as a scan, matches no pattern.
const ANY_KEY_LIKE: &str = "ForAnyValue:StringLike";
/// The condition key: the partition keys of a call.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// Every action that reads or writes items, directly or in bulk.
const DATA_ACTIONS: [&str; 17] = [
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "ExportTableToPointInTime",
    "GetItem",
    "GetRecords",
    "PartiQLDelete",
    "PartiQLInsert",
    "PartiQLSelect",
    "PartiQLUpdate",
    "PutItem",
    "Query",
    "RestoreTableToPointInTime",
    "Scan",
    "StartAwsBackupJob",
    "UpdateItem",
];

/// The policies of all functions, by logical id.
pub struct Policies(BTreeMap<String, Vec<Statement>>);

/// A statement about the table.
struct Statement {
    is_deny: bool,
    /// Patterns of actions, and whether the statement is about all others instead (`NotAction`).
    actions: Vec<String>,
    is_about_others: bool,
    /// Patterns of partition keys. Without any, the statement is about all of them.
    keys: Vec<String>,
}

impl Policies {
    pub fn of_template() -> Self {
        let template = template();
        let resources = template["Resources"].as_mapping().unwrap();
        let functions =
            resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
        let policies = functions.map(|(id, function)| {
            let policies = function["Properties"]["Policies"].as_sequence().cloned().unwrap_or_default();
            let statements = policies.iter().flat_map(|policy| policy["Statement"].as_sequence().unwrap());
            (id.as_str().unwrap().to_owned(), statements.filter_map(Statement::read).collect())
        });
        Self(policies.collect())
    }

    pub fn functions(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Whether a function may call an action on an item with this partition key; `None` if the action has no
    /// key, as a scan. An explicit denial takes precedence.
    pub fn allow(&self, function: &str, action: &str, pk: Option<&str>) -> bool {
        let matching = || self.0[function].iter().filter(|statement| statement.matches(action, pk));
        matching().any(|statement| !statement.is_deny) && !matching().any(|statement| statement.is_deny)
    }
}

impl Statement {
    /// A statement about the table; `None` if it is about connections.
    fn read(statement: &Value) -> Option<Self> {
        let list = |value: &Value| match value {
            Value::Null => Vec::new(),
            Value::Sequence(all) => all.iter().map(text).collect(),
            one => vec![text(one)],
        };
        if list(&statement["Resource"]).iter().all(|arn| arn.contains("/@connections")) {
            return None;
        }
        let is_about_others = !statement["NotAction"].is_null();
        let actions = if is_about_others { &statement["NotAction"] } else { &statement["Action"] };
        let keys = match &statement["Condition"] {
            Value::Null => Vec::new(),
            condition => {
                let condition = condition.as_mapping().unwrap();
                assert_eq!(condition.len(), 1, "only one operator is known: {condition:?}");
                let keys = &condition[ANY_KEY_LIKE].as_mapping().unwrap();
                assert_eq!(keys.len(), 1, "only one condition key is known: {keys:?}");
                list(&keys[LEADING_KEYS])
            }
        };
        let is_deny = match text(&statement["Effect"]).as_str() {
            "Allow" => false,
            "Deny" => true,
            effect => panic!("unknown effect {effect}"),
        };
        Some(Self { is_deny, actions: list(actions), is_about_others, keys })
    }

    fn matches(&self, action: &str, pk: Option<&str>) -> bool {
        let action = format!("dynamodb:{action}");
        let is_named = self.actions.iter().any(|pattern| is_like(pattern, &action));
        let has_key = || pk.is_some_and(|pk| self.keys.iter().any(|pattern| is_like(pattern, pk)));
        is_named != self.is_about_others && (self.keys.is_empty() || has_key())
    }
}

/// Whether a text matches a pattern whose only wildcard is a `*` at its end.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    }
}

/// The functions and actions that may access an item.
fn access(policies: &Policies, pk: &str) -> BTreeSet<(String, &'static str)> {
    let functions = policies.functions();
    let all = functions.flat_map(|function| DATA_ACTIONS.map(|action| (function.clone(), action)));
    all.filter(|(function, action)| policies.allow(function, action, Some(pk))).collect()
}

#[test]
fn no_function_reads_reports_and_only_one_writes_them() {
    let policies = Policies::of_template();
    for day in ["REPORT#2026-03-01", "REPORT#"] {
        let expected = BTreeSet::from([("ReportsCreateFunction".to_owned(), "PutItem")]);
        assert_eq!(access(&policies, day), expected, "{day}");
    }
    assert!(
        policies.allow("ReportsCreateFunction", "GetItem", Some("USER#1")),
        "other items are not affected"
    );
    assert!(policies.allow("FriendsListFunction", "Query", Some("USER#1")));
}

#[test]
fn no_function_reads_the_table_without_a_partition_key() {
    let policies = Policies::of_template();
    let without_key =
        ["Scan", "PartiQLSelect", "ExportTableToPointInTime", "GetRecords", "StartAwsBackupJob"];
    for function in policies.functions() {
        for action in without_key {
            assert!(!policies.allow(function, action, None), "{function} may call {action}");
        }
    }
}
