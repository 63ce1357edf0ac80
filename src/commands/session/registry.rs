//! The registry of a run, and what it says of this machine and of a component.

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use super::Session;
use crate::{
    commands::Error,
    domain::{Component, ComponentName, Inventory, TreeName, VersionStyle},
    event::Event,
    fs::atomic,
    host::Host,
    locate,
    refresh::{self, Loaded, Provenance},
    registry::{Registry, manifest, trust},
};

/// The option of a command about a component that the registry in use does not have.
pub(in super::super) const NAMED_REGISTRY: &str = " --registry FILE";

/// Where the registry of a run came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrySource {
    /// This ampup was built with it.
    BuiltIn,
    /// It was fetched, and is signed.
    Fetched,
    /// The user named this file.
    Named(Utf8PathBuf),
}

impl Session {
    /// The registry: the manifest that the user named, else the newer of the fetched and the built-in one.
    ///
    /// # Errors
    /// When the named manifest cannot be read or understood.
    pub fn registry(&self) -> Result<&Registry, Error> {
        self.registry_and_source().map(|(registry, _)| registry)
    }

    /// The same, and where it came from.
    ///
    /// # Errors
    /// As `registry`.
    pub fn registry_and_source(&self) -> Result<(&Registry, &RegistrySource), Error> {
        if self.registry.get().is_none() {
            let found = match self.named_registry() {
                Some(path) => {
                    let path = Utf8PathBuf::from(path.strip_prefix("file://").unwrap_or(path));
                    let document = self.read_named(&path)?;
                    (Registry::parse(&document)?, RegistrySource::Named(path))
                }
                None if self.is_further() => self.settled(self.load_further()?),
                None => self.settled(self.load_published()?),
            };
            let _ = self.registry.set(found);
        }
        let (registry, source) = self.registry.get().expect("it was just set");
        Ok((registry, source))
    }

    /// The document of the registry in use, byte for byte, and its signature if it has one.
    ///
    /// # Errors
    /// As `registry`.
    pub fn registry_document(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
        let (registry, source) = self.registry_and_source()?;
        if let RegistrySource::Named(path) = source {
            return Ok((self.read_named(path)?, None));
        }
        Ok(match refresh::kept(self.publisher()?, &self.layout) {
            Some(kept) if kept.serial >= registry.serial => (kept.document, Some(kept.pointer)),
            _ => (manifest::embedded().to_vec(), None),
        })
    }

    /// Reads the manifest that the user named.
    fn read_named(&self, path: &Utf8Path) -> Result<Vec<u8>, Error> {
        atomic::read(path, manifest::LIMIT).map_err(|source| Error::NamedRegistry {
            path: path.to_owned(),
            by: self.registry_by(),
            source,
        })
    }

    pub(crate) fn settled(&self, loaded: Loaded) -> (Registry, RegistrySource) {
        let source = match loaded.from {
            Provenance::BuiltIn => RegistrySource::BuiltIn,
            Provenance::Fetched => RegistrySource::Fetched,
        };
        (loaded.registry, source)
    }

    /// Warns of a registry that nobody has renewed for long.
    ///
    /// # Errors
    /// As `registry`.
    pub fn warn_of_age(&self) -> Result<(), Error> {
        let (registry, source) = self.registry_and_source()?;
        if let Some(age) = trust::age_warning(&registry.issued, Timestamp::now()) {
            let (name, remedy) = match source {
                RegistrySource::BuiltIn => ("built-in registry".to_owned(), "a newer ampup has a newer one"),
                RegistrySource::Fetched => (
                    "registry that was fetched last".to_owned(),
                    "`ampup update` asks for a newer one",
                ),
                RegistrySource::Named(path) => (
                    format!("registry `{path}`"),
                    "a newer one comes from whoever keeps it",
                ),
            };
            self.reporter
                .report(Event::Warning(format!("the {name} {age}; {remedy}")));
        }
        Ok(())
    }

    /// Remembers that there may be newer versions than this run knows, for a reason that was told.
    pub(crate) fn is_in_doubt(&self, why: impl Into<String>) {
        let _ = self.doubt.set(why.into());
    }

    /// The reason that nobody can say here that a version is the newest, as the rest of a sentence. `warn_of_age`, or
    /// whoever found it, tells more.
    ///
    /// # Errors
    /// As `registry`.
    pub(crate) fn doubt(&self) -> Result<Option<String>, Error> {
        if let Some(why) = self.doubt.get() {
            return Ok(Some(why.clone()));
        }
        let registry = self.registry()?;
        let age = trust::age_warning(&registry.issued, Timestamp::now());
        Ok(age.map(|age| format!("the registry {age}")))
    }

    /// Returns the facts of this machine that the registry's artifacts ask for.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn host(&self) -> Result<Host, Error> {
        Ok(Self::host_for(self.registry()?))
    }

    /// Returns the facts of this machine that the artifacts of a registry ask for.
    pub fn host_for(registry: &Registry) -> Host {
        let components = registry.components.values();
        let releases = components.flat_map(|component| &component.releases);
        let artifacts = releases.flat_map(|release| &release.artifacts);
        Host::probe(artifacts.map(|artifact| &artifact.needs))
    }

    /// Returns the style in which versions of a component are shown.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn style(&self, component: &ComponentName) -> Result<VersionStyle, Error> {
        let known = self.registry()?.component(component);
        Ok(known.map_or_else(|| locate::style(component), |known| known.version_style))
    }

    /// An installed version as it is shown: with its builder where another build of it is installed too.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn shown(
        &self,
        component: &ComponentName,
        tree: &TreeName,
        inventory: &Inventory,
    ) -> Result<String, Error> {
        let tree = inventory.told_apart(component, tree);
        Ok(self.style(component)?.show(tree.version()))
    }

    /// The same as a command takes it: `postgres@18.6`.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn typed(
        &self,
        component: &ComponentName,
        tree: &TreeName,
        inventory: &Inventory,
    ) -> Result<String, Error> {
        let tree = inventory.told_apart(component, tree);
        Ok(format!(
            "{component}@{}",
            self.style(component)?.typed(tree.version())
        ))
    }

    /// The command that takes an installed version, in backticks. Where the registry in use does not have the component, it names
    /// another.
    ///
    /// # Errors
    /// When the registry cannot be had.
    pub fn use_command(
        &self,
        component: &ComponentName,
        tree: &TreeName,
        inventory: &Inventory,
    ) -> Result<String, Error> {
        let spec = self.typed(component, tree, inventory)?;
        let registry = match self.registry()?.component(component) {
            Some(_) => "",
            None => NAMED_REGISTRY,
        };
        Ok(format!("`ampup use {spec}{registry}`"))
    }

    /// A component of the registry.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn component(&self, name: &ComponentName) -> Result<&Component, Error> {
        Ok(self.registry()?.require(name)?)
    }
}
