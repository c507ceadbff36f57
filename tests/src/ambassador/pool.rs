//! One pool of a nutcracker.yml, for our program and for nutcracker alike.

use crate::client::Address;
use crate::loopback::own_address;
use crate::redis::RedisServer;

/// One pool of nutcracker.yml.
#[derive(Debug, Clone)]
pub struct Pool {
    pub name: String,
    pub listen: Address,
    /// `key: value` lines besides `listen`, `redis` and `servers`.
    settings: Vec<(String, String)>,
    /// `host:port:weight name`
    pub servers: Vec<String>,
}

impl Pool {
    /// fnv1a_64 and ketama, at an address of its own, over servers named as they are.
    pub fn new(servers: &[RedisServer]) -> Self {
        let servers = servers.iter().map(|server| server_line(server.address(), 1, server.name()));
        Self::over(servers.collect())
    }

    /// Over these server lines.
    pub fn over(servers: Vec<String>) -> Self {
        let listen = own_address().into();
        Self { name: "pool".to_owned(), listen, settings: Vec::new(), servers }
    }

    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub fn listen(mut self, address: impl Into<Address>) -> Self {
        self.listen = address.into();
        self
    }

    /// Sets a key, or sets it again.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(known, _value)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn yaml(&self) -> String {
        let listen = match &self.listen {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        let mut text = format!("{}:\n", self.name);
        for (key, value) in [("listen", listen.as_str()), ("redis", "true")] {
            if !self.settings.iter().any(|(known, _value)| known == key) {
                text += &format!("  {key}: {value}\n");
            }
        }
        for (key, value) in &self.settings {
            text += &format!("  {key}: {value}\n");
        }
        text += "  servers:\n";
        for server in &self.servers {
            text += &format!("   - {server}\n");
        }
        text
    }
}

/// A line of `servers`; without a name if that is empty.
pub fn server_line(address: &Address, weight: u32, name: &str) -> String {
    let address = match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => path.display().to_string(),
    };
    format!("{address}:{weight} {name}").trim_end().to_owned()
}
