//! Reads Rust sources and says which forbidden things they name.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Crates that no pure room may name: I/O, chance, or a way to them.
const CRATES: &[&str] = &[
    "fastrand",
    "getrandom",
    "hyper",
    "hyper_util",
    "libc",
    "mio",
    "netlink_sys",
    "nix",
    "rand",
    "rustix",
    "socket2",
    "surge_ping",
    "tokio",
    "tokio_rustls",
    "tracing_subscriber",
];

/// Modules of `std` that no pure room may name.
const MODULES: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net::*",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::*",
];

/// Names that mean a clock, a socket, a file or chance wherever they stand.
const NAMES: &[&str] = &[
    "File",
    "Instant",
    "RandomState",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
];

/// The longest `main` that only composes, in statements.
const MAIN_STATEMENTS: usize = 10;

/// Part of the sources, and what it may not know.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// A file, or a folder with all below it, from the root of the repository.
    place: &'static str,
    /// The path of the room's outermost module.
    module: &'static str,
    forbidden: &'static [&'static str],
    except: Option<&'static str>,
}

impl Room {
    pub const fn new(
        place: &'static str,
        module: &'static str,
        forbidden: &'static [&'static str],
    ) -> Self {
        Self {
            place,
            module,
            forbidden,
            except: None,
        }
    }

    /// The same room without one of its files.
    pub const fn except(self, file: &'static str) -> Self {
        Self {
            except: Some(file),
            ..self
        }
    }

    /// The room's files and the module path of each; test files left out.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let root = repository().join(self.place);
        let mut files = Vec::new();
        if root.is_file() {
            files.push((root, self.module.to_owned()));
        } else {
            walk(&root, self.module, &mut files);
        }
        files.retain(|(path, _)| self.except.is_none_or(|file| !path.ends_with(file)));
        files
    }
}

/// Which rules hold for a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// The room's own list and that of all pure rooms.
    Pure,
    /// The room's own list only.
    Layers,
}

/// Fails with every forbidden path that the rooms name.
pub fn assert_clean(rooms: &[Room], wall: Wall) {
    let mut all = Vec::new();
    for room in rooms {
        let files = room.files();
        assert!(!files.is_empty(), "{} has no source file", room.place);
        for (file, module) in files {
            let text = fs::read_to_string(&file).expect("a listed file can be read");
            for path in violations(&text, &module, room, wall) {
                all.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(
        all.is_empty(),
        "these files name what their room may not know:\n{}",
        all.join("\n")
    );
}

/// The forbidden paths that a source names.
pub fn violations(source: &str, module: &str, room: &Room, wall: Wall) -> Vec<String> {
    let file = syn::parse_file(source).expect("a source file parses");
    let mut paths = Paths {
        module: module.split("::").map(str::to_owned).collect(),
        found: Vec::new(),
    };
    paths.visit_file(&file);
    paths.found.retain(|path| {
        let own = room.forbidden.iter().any(|prefix| begins(path, prefix));
        own || wall == Wall::Pure && impure(path)
    });
    paths.found
}

/// Why a `main.rs` does more than compose.
pub fn main_violations(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("main.rs parses");
    let mut found = Vec::new();
    for item in &file.items {
        match item {
            syn::Item::Use(_) => {}
            syn::Item::Fn(function) if function.sig.ident == "main" => {
                if function.block.stmts.len() > MAIN_STATEMENTS {
                    found.push(format!("main has more than {MAIN_STATEMENTS} statements"));
                }
                Decisions(&mut found).visit_block(&function.block);
            }
            _ => found.push("main.rs has an item besides `use` and `main`".to_owned()),
        }
    }
    found
}

/// The text of a file, by its path from the root of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, module: &str, files: &mut Vec<(PathBuf, String)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        let inner = match stem.as_ref() {
            "mod" | "lib" => module.to_owned(),
            stem => format!("{module}::{stem}"),
        };
        if path.is_dir() {
            walk(&path, &inner, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path, inner));
        }
    }
}

fn begins(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn impure(path: &str) -> bool {
    let std_path = match path.strip_prefix("core::") {
        Some(rest) => format!("std::{rest}"),
        None => path.to_owned(),
    };
    let of = |list: &[&str]| list.iter().any(|prefix| begins(&std_path, prefix));
    let named = std_path.split("::").any(|segment| NAMES.contains(&segment));
    of(CRATES) || of(MODULES) || named
}

/// Collects every path of a file, resolved as far as the text tells.
struct Paths {
    module: Vec<String>,
    found: Vec<String>,
}

impl Paths {
    fn name(&mut self, segments: &[String]) {
        let ups = segments.iter().take_while(|part| *part == "super").count();
        let here = segments.first().is_some_and(|part| part == "self");
        let mut path = Vec::new();
        if ups > 0 || here {
            let depth = self.module.len().saturating_sub(ups);
            path.extend_from_slice(self.module.get(..depth).unwrap_or_default());
        }
        let own = ups.max(usize::from(here));
        path.extend_from_slice(segments.get(own..).unwrap_or_default());
        self.found.push(path.join("::"));
    }

    fn use_tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix);
                }
            }
            syn::UseTree::Name(name) => {
                if name.ident != "self" {
                    prefix.push(name.ident.to_string());
                }
                self.name(prefix);
            }
            syn::UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    prefix.push(rename.ident.to_string());
                }
                self.name(prefix);
            }
            syn::UseTree::Glob(_) => {
                prefix.push("*".to_owned());
                self.name(prefix);
            }
        }
        prefix.truncate(depth);
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if for_tests(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !for_tests(&item.attrs) {
            self.use_tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.name(&[item.ident.to_string()]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.name(&segments);
        visit::visit_path(self, path);
    }

    /// Macro arguments are tokens, not syntax: words joined by `::` count.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = call.tokens.to_string().replace(" :: ", "::");
        let words = tokens.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
        for word in words.filter(|word| word.contains("::")) {
            let segments: Vec<_> = word.split("::").map(str::to_owned).collect();
            self.name(&segments);
        }
        visit::visit_macro(self, call);
    }
}

fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else {
            return attribute.path().is_ident("test");
        };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

/// Notes what in a body decides, repeats or prints.
struct Decisions<'a>(&'a mut Vec<String>);

impl<'ast> Visit<'ast> for Decisions<'_> {
    fn visit_expr(&mut self, expression: &'ast syn::Expr) {
        let what = match expression {
            syn::Expr::If(_) => "an if",
            syn::Expr::Match(_) => "a match",
            syn::Expr::While(_) | syn::Expr::ForLoop(_) | syn::Expr::Loop(_) => "a loop",
            syn::Expr::Closure(_) => "a closure",
            _ => return visit::visit_expr(self, expression),
        };
        self.0.push(format!("main has {what}"));
    }

    fn visit_macro(&mut self, _: &'ast syn::Macro) {
        self.0.push("main has a macro call".to_owned());
    }
}
