//! The layers of this crate, checked: a layer imports only what it may.

use std::{fs, path::Path};

/// Layers, and the modules of this crate that their sources must not name.
const FORBIDDEN: [(&str, &[&str]); 6] = [
    ("domain", &["app", "auth", "config", "push", "serve", "store", "wire"]),
    ("store", &["app", "auth", "config", "push", "serve", "wire"]),
    ("wire", &["app", "auth", "push", "serve", "store"]),
    ("push", &["app", "auth", "config", "serve"]),
    ("app", &["serve"]),
    ("auth", &["app", "push", "serve", "store", "wire"]),
];

/// The Rust sources of a folder, with their paths.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The modules of this crate that a source imports or names.
fn named_modules(source: &str) -> Vec<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let first = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        match rest.strip_prefix('{') {
            None => modules.push(first(rest)),
            Some(list) => modules.extend(top_level(list).map(|item| first(item.trim_start()))),
        }
    }
    // A list may end with a comma.
    modules.retain(|name: &String| !name.is_empty());
    modules
}

/// The items of a brace list up to its end, without splitting nested lists.
fn top_level(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let mut end = list.len();
    let mut starts = vec![0];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                end = at;
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|start| start - 1).chain([end]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &list[start..end])
}

#[test]
fn a_layer_imports_only_the_layers_that_it_may() {
    for (layer, forbidden) in FORBIDDEN {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer));
        assert!(!sources.is_empty(), "{layer}");
        for (path, source) in sources {
            let wrong: Vec<String> = named_modules(&source)
                .into_iter()
                .filter(|name| forbidden.contains(&name.as_str()))
                .collect();
            assert!(wrong.is_empty(), "{path} imports {wrong:?}");
        }
    }
}

#[test]
fn imports_are_found_in_lists_and_paths() {
    let source = "use crate::{\n    App,\n    domain::{users, rooms},\n    store::Store,\n};\nlet x = crate::wire::y;\n";
    assert_eq!(named_modules(source), ["App", "domain", "store", "wire"]);
}
