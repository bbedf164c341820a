//! What a plugin's answers stand for: files below the project root, what is not
//! there yet, and the folders whose listing decided that.
//!
//! Names are resolved as the compiler does, `..` by name; then links are
//! followed, and what they lead to must be inside as well. Wildcards do not
//! follow links to folders, which may go round.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::Pattern;

use crate::closure::{self, Folder};
use crate::stamp::{self, Entry, Listing, Stamp};

/// A longer path is none on any system.
const OPERAND_BYTES_MAX: usize = 4096;
/// More files than this are a wrong pattern.
const FILES_MAX: usize = 20_000;
/// The same for folders that are looked into for one pattern.
const STEPS_MAX: usize = 50_000;
/// Links in a row, as systems have it.
const LINKS_MAX: usize = 40;

/// One part of a pattern between two `/`.
enum Part {
    Name(String),
    Match(Pattern),
    /// `**`
    AnyDepth,
}

/// Finds files below one project root, and remembers what that depended on.
pub struct Files {
    root: PathBuf,
    /// With links resolved.
    real_root: PathBuf,
    /// Looked for and not there.
    pub absent: BTreeSet<PathBuf>,
    /// Listed, with their digests.
    pub folders: BTreeMap<PathBuf, Folder>,
    listings: BTreeMap<PathBuf, Listing>,
    steps: usize,
}

impl Files {
    /// Takes a project root.
    ///
    /// # Errors
    /// The system's.
    pub fn below(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: root.to_owned(),
            real_root: std::fs::canonicalize(root)?,
            absent: BTreeSet::new(),
            folders: BTreeMap::new(),
            listings: BTreeMap::new(),
            steps: 0,
        })
    }

    /// Returns the path of one file, and whether it is there.
    ///
    /// # Errors
    /// A clause that says what is wrong with it.
    pub fn file(&mut self, folder: &Path, operand: &str) -> Result<(PathBuf, bool), String> {
        check(operand)?;
        let path = self.inside(folder.join(operand))?;
        if !self.exists(&path)? {
            return Ok((path, false));
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok((path, true)),
            Ok(metadata) if metadata.is_dir() => Err("which is a folder; a glob names the files in one".to_owned()),
            Ok(_) => Err("which is no regular file".to_owned()),
            Err(error) => Err(format!("which cannot be looked up: {error}")),
        }
    }

    /// Returns every file that matches a pattern, sorted.
    ///
    /// # Errors
    /// A clause that says what is wrong with it.
    pub fn glob(&mut self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        check(pattern)?;
        let mut folder = folder.to_owned();
        let mut parts = Vec::new();
        for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
            match part {
                ".." if parts.is_empty() => folder.push(".."),
                ".." => return Err("which has `..` behind a name".to_owned()),
                "**" if matches!(parts.last(), Some(Part::AnyDepth)) => {}
                "**" => parts.push(Part::AnyDepth),
                _ if part.contains(['*', '?', '[']) => match Pattern::new(part) {
                    Ok(made) => parts.push(Part::Match(made)),
                    Err(error) => return Err(format!("which is no pattern: {}", error.msg)),
                },
                _ => parts.push(Part::Name(part.to_owned())),
            }
        }
        match parts.last() {
            None => return Err("which names no file".to_owned()),
            Some(Part::AnyDepth) => parts.push(Part::Match(Pattern::new("*").expect("a wildcard is a pattern"))),
            Some(_) => {}
        }
        let folder = self.inside(folder)?;
        let mut found = BTreeSet::new();
        self.steps = 0;
        if self.exists(&folder)? {
            self.walk(&folder, &parts, &mut found)?;
        }
        Ok(found.into_iter().collect())
    }

    /// Returns every file in a folder that a plugin may read, sorted, and where
    /// the folder is; `None` where it is not there.
    ///
    /// # Errors
    /// A clause that says why it cannot be shown.
    pub fn view(&mut self, view: &str) -> Result<Option<(PathBuf, Vec<PathBuf>)>, String> {
        let folder = self.inside(self.root.join(view))?;
        if !self.exists(&folder)? {
            return Ok(None);
        }
        let real = std::fs::canonicalize(&folder).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        let mut pending = vec![folder.clone()];
        while let Some(folder) = pending.pop() {
            for name in stamp::IGNORED {
                let hidden = folder.join(name);
                if hidden.symlink_metadata().is_ok() {
                    let name = closure::relative_to(&hidden, &self.root);
                    return Err(format!("which has `{name}`, whose changes are not followed; name narrower folders"));
                }
                self.absent.insert(hidden);
            }
            for (name, entry) in self.list(&folder)? {
                let path = folder.join(name);
                match entry {
                    Entry::Folder => pending.push(path),
                    Entry::File => found.push(path),
                    // What a link leads to elsewhere is not shown.
                    Entry::Link(_) => {
                        let is_shown = std::fs::canonicalize(&path).is_ok_and(|real_path| real_path.starts_with(&real));
                        if is_shown && path.is_file() {
                            found.push(path);
                        }
                    }
                    Entry::Other => {}
                }
            }
            if found.len() > FILES_MAX {
                return Err(format!("which has more than {FILES_MAX} files"));
            }
        }
        found.sort();
        Ok(Some((folder, found)))
    }

    fn inside(&self, path: PathBuf) -> Result<PathBuf, String> {
        let path = closure::normalize(&path);
        if path.starts_with(&self.root) { Ok(path) } else { Err(self.out(&path)) }
    }

    fn out(&self, path: &Path) -> String {
        format!("which leads to `{}`, out of the project `{}`", path.display(), self.root.display())
    }

    /// Returns whether a path exists; it is noted if not.
    fn exists(&mut self, path: &Path) -> Result<bool, String> {
        match std::fs::canonicalize(path) {
            Ok(real) if real.starts_with(&self.real_root) => Ok(true),
            Ok(real) => Err(self.out(&real)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                // A link may lead to what is not there: that is what may appear.
                let mut end = path.to_owned();
                for _ in 0..LINKS_MAX {
                    let Ok(target) = std::fs::read_link(&end) else { break };
                    end = closure::normalize(&end.parent().unwrap_or(Path::new("/")).join(target));
                }
                let there = end.ancestors().skip(1).find_map(|folder| std::fs::canonicalize(folder).ok());
                if !there.is_some_and(|real| real.starts_with(&self.real_root)) {
                    return Err(self.out(&end));
                }
                self.absent.insert(end);
                Ok(false)
            }
            Err(error) => Err(format!("which cannot be looked up: {error}")),
        }
    }

    /// Lists a folder, once.
    fn list(&mut self, folder: &Path) -> Result<Listing, String> {
        if let Some(listing) = self.listings.get(folder) {
            return Ok(listing.clone());
        }
        let list = || -> io::Result<(Listing, Stamp, bool)> {
            let stamp = Stamp::at(folder)?;
            let listed_at = SystemTime::now();
            Ok((stamp::listing(folder)?, stamp, stamp.is_trusted(listed_at)))
        };
        let (listing, stamp, trusted) =
            list().map_err(|error| format!("and `{}` cannot be listed: {error}", folder.display()))?;
        let digest = stamp::digest_of_listing(&listing);
        self.folders.insert(folder.to_owned(), Folder { path: folder.to_owned(), digest, stamp, trusted });
        self.listings.insert(folder.to_owned(), listing.clone());
        Ok(listing)
    }

    fn walk(&mut self, folder: &Path, parts: &[Part], found: &mut BTreeSet<PathBuf>) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(format!("which leads through more than {STEPS_MAX} folders"));
        }
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        match part {
            Part::Name(name) => {
                let path = folder.join(name);
                if !self.exists(&path)? {
                    return Ok(());
                }
                if rest.is_empty() == path.is_dir() {
                    // A file in the place of a folder, or the reverse: that may change.
                    self.list(folder).map(drop)
                } else if rest.is_empty() {
                    self.take(path, found)
                } else {
                    self.walk(&path, rest, found)
                }
            }
            Part::Match(pattern) => {
                for (name, entry) in self.list(folder)? {
                    if !pattern.matches(&name.to_string_lossy()) {
                        continue;
                    }
                    let path = folder.join(name);
                    match entry {
                        Entry::Folder if !rest.is_empty() => self.walk(&path, rest, found)?,
                        Entry::File if rest.is_empty() => self.take(path, found)?,
                        Entry::Link(_) if rest.is_empty() && self.exists(&path)? && path.is_file() => {
                            self.take(path, found)?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Part::AnyDepth => {
                self.walk(folder, rest, found)?;
                for (name, entry) in self.list(folder)? {
                    if entry == Entry::Folder {
                        self.walk(&folder.join(name), parts, found)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn take(&mut self, path: PathBuf, found: &mut BTreeSet<PathBuf>) -> Result<(), String> {
        found.insert(path);
        if found.len() > FILES_MAX { Err(format!("which matches more than {FILES_MAX} files")) } else { Ok(()) }
    }
}

/// Checks what holds for every operand, whatever is there.
fn check(operand: &str) -> Result<(), String> {
    let bytes = operand.as_bytes();
    let has_drive = bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if operand.is_empty() {
        Err("which is empty".to_owned())
    } else if operand.len() > OPERAND_BYTES_MAX {
        Err(format!("which is longer than {OPERAND_BYTES_MAX} bytes"))
    } else if operand.contains('\0') {
        Err("which has a NUL in it".to_owned())
    } else if operand.starts_with('/') || has_drive || cfg!(windows) && operand.contains('\\') {
        Err("which is no relative path with `/`".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(root: &Path, paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        paths.into_iter().map(|path| closure::relative_to(&path, root)).collect()
    }

    #[test]
    fn a_glob_matches_within_names_and_over_folders_and_keeps_what_it_listed() {
        let folder = tree(&["src/m.zig", "db/a.sql", "db/b.sql", "db/old/c.sql", "db/.git/d.sql", "db/x.txt"]);
        let root = folder.path();
        for (pattern, matches, listed) in [
            ("../db/*.sql", &["db/a.sql", "db/b.sql"][..], &["db"][..]),
            ("../db/**/*.sql", &["db/a.sql", "db/b.sql", "db/old/c.sql"], &["db", "db/old"]),
            ("../db/**/**/c.sql", &["db/old/c.sql"], &["db", "db/old"]),
            ("../db/[!b].sql", &["db/a.sql"], &["db"]),
            ("../*/?.sql", &["db/a.sql", "db/b.sql"], &["", "db", "src"]),
            ("../db/old/**", &["db/old/c.sql"], &["db/old"]),
            ("../db/a.sql", &["db/a.sql"], &[]),
            ("none/*.sql", &[], &[]),
            // A folder where a file is wanted, and the reverse.
            ("../db/old", &[], &["db"]),
            ("../db/a.sql/*", &[], &["db"]),
        ] {
            let mut files = Files::below(root).unwrap();
            let found = files.glob(&root.join("src"), pattern).unwrap();
            assert_eq!(names(root, found), matches, "{pattern}");
            assert_eq!(names(root, files.folders.into_keys()), listed, "{pattern}");
        }
        let mut files = Files::below(root).unwrap();
        files.glob(&root.join("src"), "none/*.sql").unwrap();
        files.glob(&root.join("src"), "../*/none.sql").unwrap();
        assert_eq!(names(root, files.absent), ["db/none.sql", "src/none", "src/none.sql"]);
    }

    #[test]
    fn what_leads_out_is_refused_with_the_reason() {
        let folder = tree(&["p/src/m.zig", "outside.txt"]);
        let root = folder.path().join("p");
        let long = "a/".repeat(3000);
        for (operand, words) in [
            ("../../outside.txt", "out of the project"),
            ("../../missing.txt", "out of the project"),
            ("../../../../../../../../etc/passwd", "out of the project"),
            ("/etc/passwd", "no relative path"),
            ("C:/x", "no relative path"),
            ("a\0b", "NUL"),
            ("", "empty"),
            (long.as_str(), "longer than"),
        ] {
            for glob in [false, true] {
                let mut files = Files::below(&root).unwrap();
                let folder = root.join("src");
                let refused =
                    if glob { files.glob(&folder, operand).map(drop) } else { files.file(&folder, operand).map(drop) };
                let reason = refused.unwrap_err();
                assert!(reason.contains(words), "{operand}: {reason}");
            }
        }
        let mut files = Files::below(&root).unwrap();
        assert!(files.file(&root, "src").unwrap_err().contains("a folder"));
        for (pattern, words) in
            [("a/../*", "`..` behind"), ("a**b", "no pattern"), ("[a", "no pattern"), ("..", "no file")]
        {
            assert!(files.glob(&root.join("src"), pattern).unwrap_err().contains(words), "{pattern}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_only() {
        use std::os::unix::fs::symlink;
        let folder = tree(&["p/db/a.sql", "outside.sql", "away/b.sql"]);
        let root = folder.path().join("p");
        symlink("../outside.sql", root.join("out.sql")).unwrap();
        symlink("../away", root.join("away")).unwrap();
        symlink("db/a.sql", root.join("in.sql")).unwrap();
        symlink("db", root.join("same")).unwrap();
        symlink("db/later.sql", root.join("dangling.sql")).unwrap();
        symlink("../later.sql", root.join("nowhere.sql")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let mut files = Files::below(&root).unwrap();
        for operand in ["out.sql", "away/b.sql", "away/none.sql", "nowhere.sql"] {
            assert!(files.file(&root, operand).unwrap_err().contains("out of the project"), "{operand}");
        }
        assert!(files.file(&root, "loop").is_err());
        for pattern in ["o*.sql", "away/*.sql", "*.sql"] {
            assert!(files.glob(&root, pattern).unwrap_err().contains("out of the project"), "{pattern}");
        }
        assert_eq!(files.file(&root, "in.sql"), Ok((root.join("in.sql"), true)));
        assert_eq!(names(&root, files.glob(&root, "same/*.sql").unwrap()), ["same/a.sql"]);
        assert_eq!(names(&root, files.glob(&root, "**/a.sql").unwrap()), ["db/a.sql"]);
        assert_eq!(files.file(&root, "dangling.sql"), Ok((root.join("dangling.sql"), false)));
        assert!(files.absent.contains(&root.join("db/later.sql")), "{:?}", files.absent);
    }

    #[test]
    fn a_view_has_every_file_and_nothing_that_could_change_unseen() {
        let folder = tree(&["db/a.sql", "db/old/b.sql", "other"]);
        let root = folder.path();
        let mut files = Files::below(root).unwrap();
        assert_eq!(files.view("none"), Ok(None));
        let (place, found) = files.view("db").unwrap().unwrap();
        assert_eq!((place, names(root, found)), (root.join("db"), vec!["db/a.sql".into(), "db/old/b.sql".into()]));
        assert_eq!(names(root, files.folders.keys().cloned()), ["db", "db/old"]);
        assert!(files.absent.contains(&root.join("db/old/__pycache__")));
        std::fs::create_dir(root.join("db/old/.git")).unwrap();
        let reason = Files::below(root).unwrap().view("db").unwrap_err();
        assert!(reason.contains("`db/old/.git`"), "{reason}");
    }
}
