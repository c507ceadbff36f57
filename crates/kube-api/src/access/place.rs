//! A mapping within a kubeconfig, and the way to it.
//!
//! In goes the name of a field, out comes its value in the kind that is wanted, or an error that
//! names the file and the whole key. Values are not shown in these errors, because most of them
//! are secrets. As in Go, null and empty text are the same as nothing.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::AccessError;
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    file: &'a Path,
    key: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    /// The whole of a file.
    pub(super) fn root(file: &'a Path, value: &'a Value) -> Self {
        Self { file, key: String::new(), value }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, AccessError> {
        match self.value.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok((!text.is_empty()).then_some(text)),
            Some(_) => Err(self.error(name, "is not text; put it in quotes")),
        }
    }

    pub(super) fn needed(&self, name: &str) -> Result<&'a str, AccessError> {
        self.text(name)?.ok_or_else(|| self.error(name, "is not set"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, AccessError> {
        match self.value.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(name, "is neither true nor false")),
        }
    }

    /// A path, relative to the folder of the file.
    pub(super) fn path(&self, name: &str) -> Result<Option<PathBuf>, AccessError> {
        Ok(self.text(name)?.map(|path| self.beside(path)))
    }

    pub(super) fn beside(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// What is written in base64.
    pub(super) fn data(&self, name: &str) -> Result<Option<Secret>, AccessError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let text: String = text.chars().filter(|it| !it.is_ascii_whitespace()).collect();
        match STANDARD.decode(text) {
            Ok(data) => Ok(Some(Secret::new(data))),
            Err(_its_text_shows_a_part) => Err(self.error(name, "is not base64")),
        }
    }

    pub(super) fn map(&self, name: &str) -> Result<Option<Place<'a>>, AccessError> {
        match self.value.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value @ Value::Object(_)) => Ok(Some(self.inner(name, value))),
            Some(_) => Err(self.error(name, "is not a mapping")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<Place<'a>>, AccessError> {
        match self.value.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let place = |(index, item)| self.inner(&format!("{name}[{index}]"), item);
                Ok(items.iter().enumerate().map(place).collect())
            }
            Some(_) => Err(self.error(name, "is not a list")),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, AccessError> {
        let list = self.list(name)?;
        list.into_iter().map(|item| item.as_text()).collect()
    }

    pub(super) fn as_text(&self) -> Result<&'a str, AccessError> {
        self.value.as_str().ok_or_else(|| self.error("", "is not text; put it in quotes"))
    }

    /// The fields of a mapping.
    pub(super) fn fields(&self) -> Vec<(&'a str, Place<'a>)> {
        let fields = self.value.as_object().into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), self.inner(name, value))).collect()
    }

    /// Of the entries of a list with `name: NAME`, the first, shown as `list[NAME]`.
    pub(super) fn named(&self, list: &str, name: &str) -> Result<Option<Place<'a>>, AccessError> {
        for item in self.list(list)? {
            if item.value.get("name").and_then(Value::as_str) == Some(name) {
                return Ok(Some(self.inner(&format!("{list}[{name}]"), item.value)));
            }
        }
        Ok(None)
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn error(&self, name: &str, reason: impl std::fmt::Display) -> AccessError {
        let key = self.inner(name, self.value).key;
        AccessError::Value { file: self.file.to_owned(), key, reason: reason.to_string() }
    }

    fn inner(&self, name: &str, value: &'a Value) -> Place<'a> {
        let dot = if self.key.is_empty() || name.is_empty() { "" } else { "." };
        Place { file: self.file, key: format!("{}{dot}{name}", self.key), value }
    }
}
