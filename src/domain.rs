//! The words of the project as types: what a component, a version, an artifact is.
//! Nothing here touches a file, the network, the clock or the environment.

pub mod artifact;
pub mod checked;
pub mod component;
pub mod digest;
pub mod file_list;
pub mod inventory;
pub mod line;
pub mod name;
pub mod origin;
pub mod programs;
pub mod release;
pub mod requirement;
pub mod target;
pub mod version;

pub use artifact::{Artifact, Format, Integrity, LinkList, Needs, Provider, Source};
pub use component::Component;
pub use digest::{Algorithm, Digest};
pub use file_list::{FileList, FileRecord};
pub use inventory::{ActiveSet, Inventory, Tree, TreeName};
pub use line::{Line, Upstream};
pub use name::ComponentName;
pub use origin::ReleaseOrigin;
pub use release::{Artifacts, Channel, Release, Security, Severity};
pub use requirement::{ComponentSpec, Requirement};
pub use target::Target;
pub use version::VersionStyle;
