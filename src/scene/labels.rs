//! Class names of a model.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A class index of a model, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub u16);

/// A model's class names in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Arc<[String]>);

impl Labels {
    /// Labels from names in class order.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
    /// Whether these are the same names, and not only equal ones: nothing is compared.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// How many classes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The name of a class; `class<N>` when the model has no name for it.
    #[must_use]
    pub fn name(&self, class: ClassId) -> std::borrow::Cow<'_, str> {
        match self.0.get(usize::from(class.0)) {
            Some(name) => name.as_str().into(),
            None => format!("class{}", class.0).into(),
        }
    }
    /// The class of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ClassId> {
        let index = self.0.iter().position(|n| n == name)?;
        u16::try_from(index).ok().map(ClassId)
    }
    /// All names in class order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
