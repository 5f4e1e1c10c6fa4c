//! What can be built and booted: a stage of the course, or an application on all of them.
//!
//! Invariant: what is taken for an application depends on the facade, `stardust`, so that there is a kernel in its image.

use crate::app::App;
use crate::cli;
use crate::course::{Stage, unknown};
use crate::error::{Context, Error, Kind, Result};
use crate::guest::{self, Guest, Request};
use crate::work::{Base, Work, has_references};
use std::path::{Path, PathBuf};

/// The facade's package.
const FACADE: &str = "stardust";

/// A stage or an application.
#[derive(Debug)]
pub enum Program<'a> {
    /// A stage.
    Stage(&'a Stage),
    /// An application.
    Application(Application),
}

/// A package whose program is linked with the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The package's name, which the program has too.
    pub package: String,
    /// Its `Cargo.toml`.
    pub manifest: PathBuf,
    /// Whether it is one of `images/`.
    pub is_ours: bool,
}

impl<'a> Program<'a> {
    /// What the command line names.
    ///
    /// # Errors
    /// For what is neither a stage nor an application.
    pub fn chosen(app: &'a App, asked: &cli::Program) -> Result<Self> {
        if let Some(path) = &asked.manifest_path {
            return Application::open(path).map(Self::Application);
        }
        let name = asked.name.as_deref().unwrap_or_default();
        let applications = Application::all(&app.course.root)?;
        if let Some(found) = applications.iter().find(|application| application.package == name) {
            return Ok(Self::Application(found.clone()));
        }
        // An exercise's id is as good as its stage's.
        app.course.select(name).map(|selection| Self::Stage(selection.stage)).map_err(|error| {
            if Path::new(name).join("Cargo.toml").is_file() || name.ends_with("Cargo.toml") {
                return error.next(format!("for an application elsewhere: --manifest-path {name}"));
            }
            let stages = app.course.stages.iter().map(|stage| format!("stage{}", stage.number));
            let names: Vec<String> = applications.into_iter().map(|known| known.package).chain(stages).collect();
            unknown("stage or application", name, &names)
        })
    }

    /// The package's name.
    pub fn package(&self) -> &str {
        match self {
            Self::Stage(stage) => &stage.package,
            Self::Application(application) => &application.package,
        }
    }

    /// Builds it of the work that is asked for, verifies it, and writes it as Xen boots it.
    ///
    /// # Errors
    /// Where the choice of work makes no sense, and where it doesn't compile.
    pub fn guest(&self, app: &App, whose: &cli::Whose) -> Result<Guest> {
        match self {
            Self::Stage(stage) => Ok(app.guest(stage, Work::chosen(app, stage, whose)?.features(stage))?),
            Self::Application(application) => application.guest(app, on_references(app, whose)?),
        }
    }
}

/// Whether an application is to run on the references: it is, unless something else is asked for.
fn on_references(app: &App, whose: &cli::Whose) -> Result<bool> {
    if whose.solution.as_ref().is_some_and(|ids| ids.iter().any(|id| id != "all")) {
        let error = Error::usage("an application runs on the references of all exercises or of none");
        return Err(error.next("leave out `--solution` for all, or write `--base mine` for none"));
    }
    if whose.base == Base::Mine && whose.solution.is_none() {
        return Ok(false);
    }
    match app.course.stages.iter().find(|stage| !has_references(&app.course, stage)) {
        None => Ok(true),
        Some(stage) => {
            let error = Error::usage(format!("the references of stage {} are not in this checkout", stage.number));
            Err(error.next("run the application on your own kernel: `--base mine`"))
        }
    }
}

impl Application {
    /// Those of the checkout.
    ///
    /// # Errors
    /// Where `images/` can't be read, or holds what is no package.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let folder = root.join("images");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).on("read", &folder)? {
            let manifest = entry.on("read", &folder)?.path().join("Cargo.toml");
            if manifest.is_file()
                && let Some(package) = read(&manifest)?
            {
                found.push(Self { package, manifest, is_ours: true });
            }
        }
        found.sort_by(|one, other| one.package.cmp(&other.package));
        Ok(found)
    }

    /// One that is anywhere, by its `Cargo.toml` or the folder of that.
    ///
    /// # Errors
    /// If there is none, or if it doesn't stand on the facade.
    pub fn open(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("Cargo.toml") } else { path.to_owned() };
        let manifest = std::fs::canonicalize(&path).map_err(|error| {
            let error = Error::usage(format!("{}: {error}", path.display()));
            error.next("name the Cargo.toml of an application, or its folder; copy images/http to begin one")
        })?;
        let package = read(&manifest)?.ok_or_else(|| {
            Error::usage(format!("{} doesn't depend on {FACADE}", manifest.display()))
                .next("add it, as images/http/Cargo.toml does, with `path` to stages/stardust")
        })?;
        Ok(Self { package, manifest, is_ours: false })
    }

    /// The one of the checkout that has this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(root: &Path, name: &str) -> Result<Self> {
        let found = Self::all(root)?.into_iter().find(|application| application.package == name);
        found.ok_or_else(|| Error::fault(format!("images/ has no application {name}")))
    }

    /// Builds it, on the references or on the checkout's own exercises, verifies it, and writes it as Xen boots it.
    ///
    /// # Errors
    /// Where it doesn't compile.
    pub fn guest(&self, app: &App, on_references: bool) -> Result<Guest> {
        let mut request = self.request(&app.course.root, on_references);
        request.color = app.style.decorated;
        Ok(guest::make(&request, &app.ui)?)
    }

    fn request(&self, root: &Path, on_references: bool) -> Request {
        let mut request = Request::new(root, &self.package);
        if on_references {
            request = request.features([format!("{FACADE}/reference")]);
        }
        if !self.is_ours {
            request.manifest = Some(self.manifest.clone());
        }
        request
    }
}

/// The name of the package of a `Cargo.toml`, if it depends on the facade.
fn read(manifest: &Path) -> Result<Option<String>> {
    let text = std::fs::read_to_string(manifest).on("read", manifest)?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| Error::new(Kind::Usage, format!("{}: {error}", manifest.display())))?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let stands_on_it = table.get("dependencies").is_some_and(|dependencies| dependencies.get(FACADE).is_some());
    Ok(name.filter(|_| stands_on_it).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_has_an_application_and_others_are_told_from_them() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let all = Application::all(&root).unwrap();
        assert!(all.iter().any(|application| application.package == "http"));
        assert!(all.iter().all(|application| application.package != "agent"));
        let request = all[0].request(&root, true);
        assert_eq!((request.features, request.manifest), (vec!["stardust/reference".to_owned()], None));
        assert!(Application::open(&root.join("harness")).unwrap_err().to_string().contains("images/http/Cargo.toml"));
        assert!(Application::open(&root.join("nowhere")).unwrap_err().to_string().contains("images/http"));
    }

    #[test]
    fn one_elsewhere_is_built_by_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        std::fs::write(&manifest, "[package]\nname = \"a\"\n[dependencies]\nstardust = { path = \"/x\" }\n").unwrap();
        let application = Application::open(folder.path()).unwrap();
        assert_eq!((application.package.as_str(), application.is_ours), ("a", false));
        let request = application.request(Path::new("/r"), false);
        assert!(request.manifest.is_some() && request.features.is_empty());
        std::fs::write(&manifest, "[package").unwrap();
        assert!(Application::open(folder.path()).unwrap_err().to_string().contains("Cargo.toml"));
    }
}
