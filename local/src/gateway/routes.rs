//! The route selection of the HTTP API.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>

use serde_json::{Map, Value};

use crate::template::{HttpRoute, Verb};

/// The compiled routes of the HTTP API.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<CompiledRoute>,
    default: Option<HttpRoute>,
}

#[derive(Debug)]
struct CompiledRoute {
    segments: Vec<Segment>,
    verb: Verb,
    key: String,
    route: HttpRoute,
}

/// A path segment; the variants are ordered from the most to the least specific.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Exact(String),
    Parameter(String),
    Greedy(String),
}

/// The route of a request.
#[derive(Debug)]
pub struct RouteMatch<'a> {
    /// The route key, for example `GET /api/v1/chat/rooms/{id}`.
    pub key: &'a str,
    /// The matching route.
    pub route: &'a HttpRoute,
    /// The values of the path parameters.
    pub parameters: Map<String, Value>,
}

impl RouteTable {
    /// Compiles the routes of an API.
    pub fn new(routes: &[HttpRoute]) -> Self {
        let mut table = Self { routes: Vec::new(), default: None };
        for route in routes {
            let Some((verb, path)) = &route.key else {
                table.default = Some(route.clone());
                continue;
            };
            let method = match verb {
                Verb::Any => "ANY",
                Verb::Only(method) => method,
            };
            table.routes.push(CompiledRoute {
                segments: segments(path).map(Segment::parse).collect(),
                verb: verb.clone(),
                key: format!("{method} {path}"),
                route: route.clone(),
            });
        }
        table
    }

    /// Selects the most specific route: exact segments before `{name}` before `{name+}`, then a method before
    /// `ANY`, and `$default` last. A trailing slash is part of the path.
    pub fn find(&self, method: &str, path: &str) -> Option<RouteMatch<'_>> {
        let requested: Vec<&str> = segments(path).collect();
        let mut best: Option<(&CompiledRoute, Map<String, Value>)> = None;
        for candidate in &self.routes {
            let accepts_method = match &candidate.verb {
                Verb::Any => true,
                Verb::Only(verb) => verb == method,
            };
            let Some(parameters) = candidate.match_path(&requested).filter(|_| accepts_method) else {
                continue;
            };
            if best.as_ref().is_none_or(|(other, _)| candidate.rank().lt(other.rank())) {
                best = Some((candidate, parameters));
            }
        }
        match best {
            Some((found, parameters)) => {
                Some(RouteMatch { key: &found.key, route: &found.route, parameters })
            }
            None => self.default.as_ref().map(|route| RouteMatch {
                key: "$default",
                route,
                parameters: Map::new(),
            }),
        }
    }
}

impl CompiledRoute {
    /// The sort key; lower is more specific: the kinds of the segments from left to right, then the method.
    fn rank(&self) -> impl Iterator<Item = u8> {
        let kinds = self.segments.iter().map(|segment| match segment {
            Segment::Exact(_) => 0,
            Segment::Parameter(_) => 1,
            Segment::Greedy(_) => 2,
        });
        kinds.chain([u8::from(self.verb == Verb::Any)])
    }

    /// The path parameters if the route matches the requested segments.
    fn match_path(&self, requested: &[&str]) -> Option<Map<String, Value>> {
        let mut parameters = Map::new();
        let mut rest = requested;
        for segment in &self.segments {
            let (first, after) = rest.split_first()?;
            match segment {
                Segment::Exact(text) if text == first => {}
                Segment::Parameter(name) if !first.is_empty() => {
                    parameters.insert(name.clone(), (*first).into());
                }
                Segment::Greedy(name) if !first.is_empty() || !after.is_empty() => {
                    parameters.insert(name.clone(), rest.join("/").into());
                    return Some(parameters);
                }
                _ => return None,
            }
            rest = after;
        }
        rest.is_empty().then_some(parameters)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => Self::Exact(text.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Parameter(name.to_owned()),
            },
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[&str]) -> RouteTable {
        let routes: Vec<_> = keys
            .iter()
            .map(|key| HttpRoute {
                key: key.split_once(' ').map(|(method, path)| {
                    (if method == "ANY" { Verb::Any } else { Verb::Only(method.into()) }, path.into())
                }),
                function: (*key).into(),
                timeout: None,
            })
            .collect();
        RouteTable::new(&routes)
    }

    #[test]
    fn the_most_specific_route_wins() {
        let table = table(&[
            "$default",
            "GET /users/{id}",
            "GET /users/me",
            "ANY /users/{id}",
            "PUT /rooms/{room}/messages/{id}/reactions/{emoji}",
            "GET /files/{path+}",
            "GET /files/{name}/info",
            "GET /",
        ]);
        for (method, path, expected) in [
            ("GET", "/users/me", "GET /users/me"),
            ("GET", "/users/7", "GET /users/{id}"),
            ("DELETE", "/users/me", "ANY /users/{id}"),
            ("GET", "/users/me/", "$default"),
            ("GET", "/users/", "$default"),
            ("GET", "/users", "$default"),
            ("GET", "/", "GET /"),
            ("GET", "/files/a/b/c", "GET /files/{path+}"),
            ("GET", "/files/a/info", "GET /files/{name}/info"),
            ("GET", "/files/", "$default"),
            ("PUT", "/rooms/1/messages/2/reactions/👍", "PUT /rooms/{room}/messages/{id}/reactions/{emoji}"),
            ("POST", "/rooms/1/messages/2/reactions/👍", "$default"),
        ] {
            assert_eq!(table.find(method, path).unwrap().key, expected, "{method} {path}");
        }
    }

    #[test]
    fn path_parameters_are_extracted_from_the_path() {
        let table = table(&["GET /files/{name}/info", "GET /all/{path+}"]);
        assert_eq!(table.find("GET", "/files/a b/info").unwrap().parameters["name"], "a b");
        assert_eq!(table.find("GET", "/all/x/y/").unwrap().parameters["path"], "x/y/");
        assert!(table.find("GET", "/nowhere").is_none());
    }
}
