//! Connection strings, as far as tests change them: the database, the address, options.

use std::fmt;

/// The parts of `mongodb://user:password@hosts/database?options`, without the database.
#[derive(Clone)]
pub(super) struct Uri {
    scheme: String,
    credentials: Option<String>,
    hosts: String,
    options: Vec<String>,
}

impl Uri {
    /// A server of ours.
    pub(super) fn of_server(address: &str) -> Self {
        let options = vec!["directConnection=true".to_owned()];
        Self { scheme: "mongodb".to_owned(), credentials: None, hosts: address.to_owned(), options }
    }

    /// What somebody else wrote; its database is left out.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("not a connection string: write mongodb://HOST:PORT/")?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = place.split_once('/').map_or(place, |(authority, _database)| authority);
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials.to_owned()), hosts),
            None => (None, authority),
        };
        if hosts.is_empty() {
            return Err("no host in the connection string: write mongodb://HOST:PORT/".to_owned());
        }
        let options = options.split('&').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        Ok(Self { scheme: scheme.to_owned(), credentials, hosts: hosts.to_owned(), options })
    }

    pub(super) fn user(&mut self, name: &str, password: &str) {
        self.credentials = Some(format!("{name}:{password}"));
        self.option("authSource", "admin");
    }

    pub(super) fn option(&mut self, name: &str, value: &str) {
        self.options.push(format!("{name}={value}"));
    }

    /// The same server at another address, and no other one.
    ///
    /// Polled: a server that has been said to have stepped down, and hasn't, doesn't tell a driver that listens for
    /// news; it would be thought gone for a whole heartbeat.
    pub(super) fn through(mut self, address: &str) -> Self {
        let of_a_set = |option: &String| {
            let name = option.split('=').next().unwrap_or_default();
            ["replicaSet", "directConnection", "serverMonitoringMode"]
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
        };
        self.options.retain(|option| !of_a_set(option));
        self.option("directConnection", "true");
        self.option("serverMonitoringMode", "poll");
        "mongodb".clone_into(&mut self.scheme);
        address.clone_into(&mut self.hosts);
        self
    }

    /// The whole string, with a database.
    pub(super) fn of_database(&self, name: &str) -> String {
        let Self { scheme, hosts, options, .. } = self;
        let credentials = self.credentials.as_ref().map(|credentials| format!("{credentials}@")).unwrap_or_default();
        // Users are kept in the database that the string names, unless it says otherwise; ours has none.
        let mut options = options.clone();
        if !credentials.is_empty()
            && !options.iter().any(|option| option.to_ascii_lowercase().starts_with("authsource="))
        {
            options.push("authSource=admin".to_owned());
        }
        format!("{scheme}://{credentials}{hosts}/{name}?{}", options.join("&"))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_string_keeps_all_but_its_database() {
        let uri = Uri::parse("mongodb://a:b%40c@one:1,two:2/theirs?replicaSet=rs&w=1").unwrap();
        assert_eq!(uri.of_database("ours"), "mongodb://a:b%40c@one:1,two:2/ours?replicaSet=rs&w=1&authSource=admin");
        let bare = Uri::parse("mongodb://one").unwrap();
        assert_eq!(bare.of_database("ours"), "mongodb://one/ours?");
    }

    #[test]
    fn another_address_is_the_only_one() {
        let uri = Uri::parse("mongodb+srv://a:b@set.example/theirs?replicaset=rs&authSource=x&w=1").unwrap();
        let through = uri.through("127.0.0.1:7").of_database("ours");
        assert_eq!(
            through,
            "mongodb://a:b@127.0.0.1:7/ours?authSource=x&w=1&directConnection=true&serverMonitoringMode=poll"
        );
    }

    #[test]
    fn what_is_no_connection_string_is_refused() {
        assert!(Uri::parse("localhost:27017").is_err());
        assert!(Uri::parse("mongodb://user@/x").is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let uri = Uri::parse("mongodb://a:secret@one/").unwrap();
        assert_eq!(format!("{uri:?}"), "mongodb://one");
    }
}
