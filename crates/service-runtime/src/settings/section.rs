use std::borrow::Cow;

use config::{Map, Value, ValueKind};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::setting::Setting;

/// A section of the settings, such as `http`, or a part of one: several structs may share a section, so that a program
/// reads only the parts that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    name: fn() -> Cow<'static, str>,
    schema: fn() -> Schema,
    /// The defaults as JSON, in the order of the fields.
    defaults: fn() -> String,
}

impl Section {
    /// Returns the section that a struct declares.
    ///
    /// The struct names it with `#[schemars(rename = "…")]`. The first paragraph of a field's doc comment documents the
    /// setting. A setting whose default is empty is required, unless its type is an `Option`. `requiredUnless` names
    /// a setting that makes it optional, and `formatMinimum` and `formatMaximum` limit a duration.
    pub const fn of<T: Default + JsonSchema + Serialize>() -> Self {
        Self {
            name: T::schema_name,
            schema: inlined_schema::<T>,
            defaults: default_json::<T>,
        }
    }

    /// Returns the settings of the section, in the order of the fields.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let section = (self.name)();
        let schema = (self.schema)();
        let documented = |name: &str| schema.get("properties")?.get(name).cloned();
        let defaults = serde_json::from_str::<Value>(&(self.defaults)()).map(|defaults| defaults.kind);
        let Ok(ValueKind::Table(defaults)) = defaults else {
            return Vec::new();
        };
        let setting = |(name, default): (String, Value)| {
            let schema = documented(&name).unwrap_or_default();
            Setting::new(&section, &name, schema, default)
        };
        Map::into_iter(defaults).map(setting).collect()
    }
}

fn inlined_schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}

fn default_json<T: Default + Serialize>() -> String {
    serde_json::to_string(&T::default()).unwrap_or_default()
}
