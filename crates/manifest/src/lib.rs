//! Kubernetes manifests as raw JSON, with the line of every value.
//!
//! text → [`read`] → [`Document`]s → [`Object`]s → [`templates`] → [`containers`]. In goes YAML
//! or JSON as people write it, out come `serde_json` values that hold every field, known or not:
//! typed structures would drop the fields that they do not know. What is borrowed from a value is
//! only ever looked at, never written back. Besides the documents there are the two notations that
//! Kubernetes has of its own: [`Version`] and [`Quantity`]. No IO, no clock.

#![warn(missing_docs)]

mod document;
mod pod;
mod quantity;
mod read;
mod scalar;
mod version;

pub use self::document::{Document, Object, pointer_to};
pub use self::pod::{Container, List, Template, containers, template, templates};
pub use self::quantity::{Quantity, QuantityError};
pub use self::read::{Limits, ManifestError, read};
pub use self::version::{Version, VersionError};
