use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{NodeName, SiteId};

use crate::CoreError;
use crate::storage::json::parse_site;

/// The small numbers that rows hold in place of sites, as far as one connection has read them. A committed number never
/// changes its meaning; a connection that rolls back must drop this cache.
#[derive(Clone, Default)]
pub(crate) struct SiteNumbers {
    last: Cell<Option<(i64, SiteId)>>,
    sites: RefCell<HashMap<i64, SiteId>>,
    numbers: RefCell<HashMap<SiteId, i64>>,
}

impl SiteNumbers {
    /// The site of a number.
    pub(crate) fn site(&self, connection: &Connection, number: i64) -> Result<SiteId, CoreError> {
        if let Some((_, site)) = self.last.get().filter(|(last, _)| *last == number) {
            return Ok(site);
        }
        let known = self.sites.borrow().get(&number).copied();
        if let Some(site) = known {
            self.last.set(Some((number, site)));
            return Ok(site);
        }
        let text: Option<String> = connection
            .prepare_cached("SELECT site FROM site WHERE n = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let text = text.ok_or_else(|| CoreError::Damaged { reason: format!("site {number} is missing") })?;
        let site = parse_site(&text)?;
        self.remember(number, site);
        Ok(site)
    }

    /// The number of a site, assigned now if it has none, and whether it was assigned now.
    pub(crate) fn intern(&self, connection: &Connection, site: SiteId) -> Result<(i64, bool), CoreError> {
        if let Some((number, _)) = self.last.get().filter(|(_, last)| *last == site) {
            return Ok((number, false));
        }
        let known = self.numbers.borrow().get(&site).copied();
        if let Some(number) = known {
            self.last.set(Some((number, site)));
            return Ok((number, false));
        }
        let stored: Option<i64> = connection
            .prepare_cached("SELECT n FROM site WHERE site = ?1")?
            .query_row([site.to_string()], |row| row.get(0))
            .optional()?;
        let number = match stored {
            Some(number) => number,
            None => {
                connection
                    .prepare_cached("INSERT INTO site (site) VALUES (?1)")?
                    .execute([site.to_string()])?;
                connection.last_insert_rowid()
            }
        };
        self.remember(number, site);
        Ok((number, stored.is_none()))
    }

    fn remember(&self, number: i64, site: SiteId) {
        self.sites.borrow_mut().insert(number, site);
        self.numbers.borrow_mut().insert(site, number);
        self.last.set(Some((number, site)));
    }
}

/// The name of a site's node.
pub(crate) fn site_name(connection: &Connection, site: SiteId) -> Result<Option<NodeName>, CoreError> {
    let name: Option<Option<String>> = connection
        .prepare_cached("SELECT name FROM site WHERE site = ?1")?
        .query_row([site.to_string()], |row| row.get(0))
        .optional()?;
    name.flatten().map(|name| NodeName::new(&name).map_err(CoreError::from)).transpose()
}
